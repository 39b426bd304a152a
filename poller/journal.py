"""The program's own log lines, on stderr: key=value on a terminal, JSON otherwise."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog


def configure(stream: TextIO = sys.stderr) -> None:
    """Set up structlog for the process. Library loggers stay quiet but for errors."""
    terminal = stream.isatty()
    renderer: structlog.typing.Processor = (
        structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
        if terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(stream=stream, level=logging.ERROR, format="%(name)s: %(message)s")
