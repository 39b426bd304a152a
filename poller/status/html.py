"""Templates: every value is text, and is escaped; no page has a style or a script in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from poller import __version__
from poller.core.times import ago, iso

HERE = Path(__file__).parent
NAME_SHOWN = 120
"""Characters of a name in a list; its own page has all of it."""

_environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def render(template: str, now: int, **values: Any) -> bytes:
    """A page as UTF-8. ``now`` is epoch milliseconds."""
    page = _environment.get_template(template).render(now=now, version=__version__, **values)
    # A lone surrogate out of somebody's JSON is no reason for a page to fail.
    return page.encode("utf-8", "replace")


def short(text: str) -> str:
    """A name as lists show it: its beginning and its end."""
    if len(text) <= NAME_SHOWN:
        return text
    half = NAME_SHOWN // 2 - 1
    return f"{text[:half]} … {text[-half:]}"


def when(at: int | None, now: int) -> Markup:
    """A moment as the time since, with the moment itself for machines and for a pointer."""
    if not at or at < 0:
        return Markup("–")
    try:
        moment = iso(at)
    except (OverflowError, ValueError, OSError):
        return Markup("–")
    # Other clocks than ours are a little ahead at times.
    words = f"{ago(max(0, now - at))} ago" if at < now + 60_000 else "to come"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment, moment, words)


def clock_time(at: int) -> str:
    """``23:40``, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M")


def day(at: int) -> str:
    """``2026-11-24``, in UTC."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d")


def lasted(milliseconds: int) -> str:
    """A duration for people: ``820 ms``, ``4.2 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if milliseconds < 1_000:
        return f"{max(0, milliseconds)} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def tone(word: str | None) -> str:
    """The colour class of a result or state: never the only sign of it."""
    match word:
        case "SUCCESS" | "delivered" | "well":
            return "ok"
        case "FAILURE" | "rejected" | "late" | "FAILED":
            return "bad"
        case "UNSTABLE" | "queued" | "failing" | "partly" | "starting":
            return "warn"
    return "dim"


_environment.filters.update(
    short=short, when=when, clock_time=clock_time, day=day, lasted=lasted, tone=tone, iso=iso
)
