"""The outbox: what waits to be sent, what was sent, what was refused."""
