"""Why a build started, as ``trigger_chain`` and ``user_id``. Pure.

Only ``CauseAction`` says so: an abort has causes, too (measured). An upstream cause names a build
and nothing of why that one started (measured), so the causes further up come as evidence. A cause
is a person's where it has a ``userId``, else what a word in its class name says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from poller.config.servers import SYSTEM
from poller.core.build_key import MOST_BUILDS
from poller.core.escape import FULL_NAME, NAME, clip
from poller.jenkins.build import Action, Build
from poller.mapping.evidence import UpstreamBuild
from poller.mapping.payload import Trigger

CAUSE_ACTION = "hudson.model.CauseAction"
UNKNOWN = "unknown"
UPSTREAM = "UpstreamCause"
MOST = 100
"""Links of a chain that are passed on; replays and queues can add causes without end."""

DEEPEST = 10
"""Levels of upstream builds in a chain."""

FIELDS = ("_class", "userId", "upstreamProject", "upstreamBuild", "addr")
"""What is used of a cause."""

NO_TRIGGER = "RebuildCause"
"""An upstream cause by its class; but the build that it names was done again, it started none."""


@dataclass(frozen=True)
class Link:
    """One cause; ``of`` is the upstream build that has it, as ``team/up #3``, or empty."""

    cause: Mapping[str, Any]
    of: str = ""


def causes(actions: Sequence[Action | None]) -> Iterator[Mapping[str, Any]]:
    """The causes among a build's actions, those that are objects."""
    for action in actions:
        if action is not None and action.cls == CAUSE_ACTION and isinstance(action.causes, list):
            yield from (cause for cause in action.causes if isinstance(cause, dict))


def needed_causes(actions: Sequence[Action | None]) -> tuple[Mapping[str, Any], ...]:
    """The first causes, as many as a chain may have, with nothing but what is used of them."""
    return tuple(
        {name: cause[name] for name in FIELDS if isinstance(cause.get(name), str | int)}
        for cause in islice(causes(actions), MOST)
    )


def parent(cause: Mapping[str, Any]) -> tuple[str, int] | None:
    """The upstream build that the cause names, job and number; None where it names none."""
    job, number = cause.get("upstreamProject"), cause.get("upstreamBuild")
    if (
        isinstance(job, str)
        and job
        and type(number) is int
        and 0 < number <= MOST_BUILDS
        and simple_class(cause) != NO_TRIGGER
    ):
        return job, number
    return None


def parents(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """The upstream builds that the causes name, each once."""
    return list(dict.fromkeys(filter(None, map(parent, found))))


def cause_chain(build: Build, upstream: Sequence[UpstreamBuild]) -> list[Link]:
    """The build's own causes in Jenkins' order, then those of the builds above, upwards."""
    links = [Link(cause) for cause in causes(build.actions)]
    links += [Link(cause, f"{up.job} #{up.number}") for up in upstream for cause in up.causes]
    return links[:MOST]


def trigger_chain(
    build: Build, upstream: Sequence[UpstreamBuild], words: Mapping[str, str]
) -> list[Trigger]:
    """The build's own causes; an upstream one has those of its build, and so on up. No build is
    named twice."""
    known = {(up.job, up.number): up for up in upstream}
    named: set[tuple[str, int]] = set()
    left = MOST

    def triggers(found: Iterator[Mapping[str, Any]], level: int) -> Iterator[Trigger]:
        nonlocal left
        for cause in found:
            key = parent(cause)
            if left <= 0 or key in named or (key is not None and level == DEEPEST):
                continue
            left -= 1
            if key is None:
                yield Trigger(trigger_id(cause, words), simple_class(cause))
                continue
            named.add(key)
            above = known.get(key)
            yield Trigger(
                clip(key[0], FULL_NAME),
                UPSTREAM,
                str((above.build_number if above is not None else 0) or key[1]),
                list(triggers(iter(above.causes), level + 1)) if above is not None else [],
            )

    return list(triggers(causes(build.actions), 0))


def user_id(links: Sequence[Link], words: Mapping[str, str]) -> tuple[str, str]:
    """Who, or what kind of trigger, stands at the beginning, and where that was found: the first
    person along the chain, else the first trigger that a word tells, else ``SYSTEM``."""
    for link in links:
        if user := _text(link.cause, "userId"):
            return user, _where(link)
    for link in links:
        if kind := kind_of(simple_class(link.cause), words):
            return kind, _where(link)
    return SYSTEM, "no cause says"


def simple_class(cause: Mapping[str, Any]) -> str:
    """``hudson.model.Cause$UserIdCause`` → ``UserIdCause``."""
    name = cause.get("_class")
    name = name if isinstance(name, str) else ""
    return clip(name.rpartition(".")[2].rpartition("$")[2], NAME) or UNKNOWN


def kind_of(name: str, words: Mapping[str, str]) -> str | None:
    """What the first word that is in the class name stands for; case does not matter."""
    lower = name.lower()
    return next((kind for word, kind in words.items() if word.lower() in lower), None)


def trigger_id(cause: Mapping[str, Any], words: Mapping[str, str]) -> str:
    """The ``id`` of a link that is no upstream build's."""
    kind = kind_of(simple_class(cause), words)
    return (
        _text(cause, "userId")
        or (kind if kind and kind != SYSTEM else "")
        or _text(cause, "upstreamProject")
        or _text(cause, "addr")
        or UNKNOWN
    )


def _where(link: Link) -> str:
    return simple_class(link.cause) + (f" of {link.of}" if link.of else "")


def _text(cause: Mapping[str, Any], key: str) -> str:
    value = cause.get(key)
    return clip(value, NAME) if isinstance(value, str) else ""
