"""`python -m poller`, and the command `sei-poller`."""

from __future__ import annotations

from poller.cli import app


def main() -> None:
    """Run the command line."""
    app(prog_name="sei-poller")


if __name__ == "__main__":
    main()
