"""The whole way on a Debian with systemd as PID 1: `make boot-test`."""
