"""Why a build started, as ``trigger_chain`` and ``user_id``. Pure.

Only ``CauseAction`` says so: an abort has causes, too (measured). An upstream cause names a build
and nothing of why that one started (measured), so the causes further up come as evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from poller.core.escape import NAME, clip
from poller.jenkins.build import MOST_BUILDS, Action, Build
from poller.mapping.evidence import UpstreamBuild
from poller.mapping.payload import Trigger

CAUSE_ACTION = "hudson.model.CauseAction"
SCM = "SCMTrigger"
TIMER = "SYSTEM"
UNKNOWN = "unknown"
MOST = 100
"""Links of a chain that are passed on; replays and queues can add causes without end."""

SCM_CAUSES = (
    "SCMTriggerCause", "BranchIndexingCause", "BranchEventCause", "CommitHookCause",
    "GitLabWebHookCause", "GerritCause", "GhprbCause",
)  # fmt: skip
SCM_WORDS = ("Push", "PullRequest", "MergeRequest", "GitHubPR")
"""Parts of the names of plugins' causes: GitHubPushCause, BitBucketPushCause, GiteaPushCause …"""

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


def parents(found: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """The upstream builds that the causes name: job and number, each once."""
    named: dict[tuple[str, int], None] = {}
    for cause in found:
        job, number = cause.get("upstreamProject"), cause.get("upstreamBuild")
        if (
            isinstance(job, str)
            and job
            and type(number) is int
            and 0 < number <= MOST_BUILDS
            and simple_class(cause) != NO_TRIGGER
        ):
            named[job, number] = None
    return list(named)


def cause_chain(build: Build, upstream: Sequence[UpstreamBuild]) -> list[Link]:
    """The build's own causes in Jenkins' order, then those of the builds above, upwards."""
    links = [Link(cause) for cause in causes(build.actions)]
    links += [Link(cause, f"{up.job} #{up.number}") for up in upstream for cause in up.causes]
    return links[:MOST]


def trigger_chain(links: Sequence[Link]) -> list[Trigger]:
    """One link a cause."""
    return [Trigger(_id(link.cause), simple_class(link.cause)) for link in links]


def user_id(links: Sequence[Link]) -> tuple[str | None, str]:
    """Who, or what kind of trigger, stands at the beginning, and where that was found; None where
    nothing says."""
    for link in links:
        if simple_class(link.cause) == "UserIdCause" and (user := _text(link.cause, "userId")):
            return user, _where(link)
    for link in links:
        name = simple_class(link.cause)
        if is_scm(name):
            return SCM, _where(link)
        if name == "TimerTriggerCause":
            return TIMER, _where(link)
    return None, "no cause says"


def simple_class(cause: Mapping[str, Any]) -> str:
    """``hudson.model.Cause$UserIdCause`` → ``UserIdCause``."""
    name = cause.get("_class")
    name = name if isinstance(name, str) else ""
    return clip(name.rpartition(".")[2].rpartition("$")[2], NAME) or UNKNOWN


def is_scm(name: str) -> bool:
    """Whether a cause of that class is a push, a poll of the repository, or a branch scan."""
    return name in SCM_CAUSES or any(word in name for word in SCM_WORDS)


def _where(link: Link) -> str:
    return simple_class(link.cause) + (f" of {link.of}" if link.of else "")


def _id(cause: Mapping[str, Any]) -> str:
    name = simple_class(cause)
    if name == "UserIdCause":
        return _text(cause, "userId") or UNKNOWN
    if is_scm(name):
        return SCM
    return _text(cause, "upstreamProject") or _text(cause, "addr") or UNKNOWN


def _text(cause: Mapping[str, Any], key: str) -> str:
    value = cause.get(key)
    return clip(value, NAME) if isinstance(value, str) else ""
