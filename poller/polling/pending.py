"""Which builds are asked for again, and when. Pure.

Each has its own tries: what stays bad for ever costs itself alone. What is absent is not believed
to be gone at the first look.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from poller.core.times import backoff
from poller.ledger.records import Pending, PendingKind


@dataclass(frozen=True)
class RetryPolicy:
    """``tries`` looks, with waits that grow from ``first`` to ``longest`` seconds. None: no end."""

    tries: int | None
    first: float
    longest: float


POLICIES: Mapping[PendingKind, RetryPolicy] = {
    # Some half an hour in all.
    "incomplete": RetryPolicy(5, 120.0, 960.0),
    "unreadable": RetryPolicy(5, 120.0, 960.0),
    # A cache or a replica that lags: some ten minutes.
    "absent": RetryPolicy(5, 60.0, 480.0),
    # Jenkins ends a build in less than a second: each next poll looks.
    "preliminary": RetryPolicy(5, 1.0, 30.0),
    "unfinished": RetryPolicy(None, 30.0, 900.0),
}
LONGEST_WAIT_MS = 1000 * int(max(policy.longest for policy in POLICIES.values()))


def another_look(
    before: Pending | None, kind: PendingKind, why: str, now: int, *, counts: bool = True
) -> Pending | None:
    """How a build is asked for again after a look that was no use; None where it had its tries.

    ``counts`` is False where the look says nothing against the build, as nothing was asked at all.
    """
    policy = POLICIES[kind]
    if before is None or before.kind != kind:
        before = Pending(kind, 0, now, now, why)
    tries = before.tries + counts
    if policy.tries is not None and tries >= policy.tries:
        return None
    jitter = random.random()  # noqa: S311 - spreads load, guards nothing
    wait = backoff(max(1, tries), first=policy.first, longest=policy.longest, jitter=jitter)
    return Pending(kind, tries, before.since, now + int(1000 * wait), why)


def is_due(pending: Pending, now: int) -> bool:
    """Whether it is time for another look. A clock that was set back puts nothing off."""
    return not now < pending.retry_at <= now + LONGEST_WAIT_MS


def due(pending: Mapping[int, Pending], now: int) -> set[int]:
    """The numbers that are to be asked for now."""
    return {number for number, one in pending.items() if is_due(one, now)}


def waiting(pending: Mapping[int, Pending], now: int) -> set[int]:
    """The numbers that are not to be asked for yet."""
    return {number for number, one in pending.items() if not is_due(one, now)}


def fewest_tries_first(numbers: Iterable[int], pending: Mapping[int, Pending]) -> list[int]:
    """The order in which builds are enriched: what failed before stands behind what did not."""
    return sorted(numbers, key=lambda number: (_tries(pending, number), number))


def _tries(pending: Mapping[int, Pending], number: int) -> int:
    return pending[number].tries if number in pending else 0
