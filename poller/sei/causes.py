"""Why a build started, as ``trigger_chain`` and ``user_id``. Pure.

Only ``CauseAction`` says so: an abort has causes, too (measured).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from poller.jenkins.model import Build
from poller.sei.payload import Trigger
from poller.sei.text import NAME, clean

CAUSE_ACTION = "hudson.model.CauseAction"
SCM = "SCMTrigger"
TIMER = "SYSTEM"
UNKNOWN = "unknown"
MOST = 100
"""Causes of one build that are passed on; replays and queues can add them without end."""

SCM_CAUSES = ("SCMTriggerCause", "BranchIndexingCause", "BranchEventCause")


def causes(build: Build) -> Iterator[Mapping[str, Any]]:
    """The build's own causes, those that are objects."""
    for action in build.actions:
        if action is not None and action.cls == CAUSE_ACTION and isinstance(action.causes, list):
            yield from (cause for cause in action.causes if isinstance(cause, dict))


def trigger_chain(build: Build) -> list[Trigger]:
    """One link a cause, in Jenkins' order."""
    links = [Trigger(_id(cause), simple_class(cause)) for cause in causes(build)]
    return links[:MOST]


def user_id(build: Build) -> str | None:
    """Who, or what kind of trigger, started the build; None where nothing says."""
    found = list(causes(build))
    for cause in found:
        if simple_class(cause) == "UserIdCause" and _text(cause, "userId"):
            return _text(cause, "userId")
    for cause in found:
        name = simple_class(cause)
        if is_scm(name):
            return SCM
        if name == "TimerTriggerCause":
            return TIMER
    return None


def simple_class(cause: Mapping[str, Any]) -> str:
    """``hudson.model.Cause$UserIdCause`` → ``UserIdCause``."""
    name = cause.get("_class")
    name = name if isinstance(name, str) else ""
    return clean(name.rpartition(".")[2].rpartition("$")[2], NAME) or UNKNOWN


def is_scm(name: str) -> bool:
    """Whether a cause of that class is a push, a poll of the repository, or a branch scan."""
    return name in SCM_CAUSES or "Push" in name


def _id(cause: Mapping[str, Any]) -> str:
    name = simple_class(cause)
    if name == "UserIdCause":
        return _text(cause, "userId") or UNKNOWN
    if is_scm(name):
        return SCM
    return _text(cause, "upstreamProject") or _text(cause, "addr") or UNKNOWN


def _text(cause: Mapping[str, Any], key: str) -> str:
    value = cause.get(key)
    return clean(value, NAME) if isinstance(value, str) else ""
