"""The program's own log lines, on stderr: key=value on a terminal, JSON otherwise.

Where stderr is the journal, each line begins with its priority, as sd-daemon(3) has it. No line
holds a secret that the process knows, or what a terminal obeys.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from poller.core.escape import escape_line
from poller.core.known_secrets import mask

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def configure(
    stream: TextIO = sys.stderr,
    *,
    as_json: bool | None = None,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Set up structlog for the process; ``as_json`` None asks the stream whether it is a terminal.

    Library loggers stay quiet but for errors, which come out in the same form.
    """
    if as_json is None:
        as_json = not stream.isatty()
    renderer = _renderer(as_json, in_journal=is_journal(stream, environ))
    common: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*common, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    libraries = logging.StreamHandler(stream)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[libraries], level=logging.ERROR)


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether ``$JOURNAL_STREAM`` names the stream: device and inode (systemd.exec(5))."""
    try:
        file = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"


def _renderer(as_json: bool, *, in_journal: bool) -> Processor:
    lines: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    )

    def line(logger: WrappedLogger, method: str, event: EventDict) -> str:
        priority = PRIORITIES.get(str(event.get("level")), PRIORITIES["info"])
        # Names and answers of others are in it, and a traceback has lines of its own.
        text = mask(escape_line(str(lines(logger, method, event))))
        return f"<{priority}>{text}" if in_journal else text

    return line
