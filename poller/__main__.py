"""`python -m poller`, and the command `sei-poller`."""

from __future__ import annotations

import os

from poller import cli, cli_books, cli_executions, cli_setup
from poller.command_line import app

__all__ = ["app", "cli", "cli_books", "cli_executions", "cli_setup"]

CLICKS_USAGE = 2


def main() -> None:
    """Run the command line; wrong usage ends with EX_USAGE, as sysexits has it."""
    try:
        app(prog_name="sei-poller")
    except SystemExit as end:
        raise SystemExit(os.EX_USAGE if end.code == CLICKS_USAGE else end.code) from None


if __name__ == "__main__":
    main()
