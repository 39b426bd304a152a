"""The process that stays: scheduler, loops, reload, systemd, watchdog."""
