"""What is written to the ledger and read from it: plain types, no SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from poller.core.build_key import BuildKey
from poller.core.kept_log import KeptLog
from poller.ledger.logs.failures import FailureFacts

BuildState = Literal["in_flight", "collected", "skipped"]
GONE = "gone"
"""Why a build is skipped that was in flight and is no longer there."""

EXCLUDED = "excluded"
"""Why a build is skipped that was in flight when its job was excluded."""

BROKEN, UNREADABLE = "broken", "unreadable"
"""Why a build is skipped that Jenkins could not load whole, or not tell at all."""

REOPENED = (GONE, EXCLUDED, BROKEN, UNREADABLE)
"""Reasons that may prove wrong: a build that is there after all is collected."""

PendingKind = Literal["absent", "incomplete", "preliminary", "unreadable", "unfinished"]
"""Why a build is asked for again: the counter promises it or it was in flight, and no answer has
it; something beside its record is not to be had; its record looks preliminary; its record is not to
be had; it is in flight, and on no executor."""


@dataclass(frozen=True)
class Pending:
    """A build that is asked for again, not before ``retry_at``. ``tries`` counts the looks since
    ``since``; both are epoch milliseconds."""

    kind: PendingKind
    tries: int
    since: int
    retry_at: int
    why: str


@dataclass(frozen=True)
class Incomplete:
    """What a run was sent without: ``reasons``, a word each, and ``why``, a line each."""

    reasons: tuple[str, ...]
    why: tuple[str, ...]


@dataclass(frozen=True)
class BuildRow:
    """One build to record; ``payload`` is the encoded job run of a collected one, ``build_number``
    the number that SEI has it under, ``incomplete`` what could not be had of it; ``log`` is what
    was read of its console log, where it was; ``execution`` what IaCM is sent of it, encoded, and
    ``no_execution`` why it is sent nothing, both None where no rule asks for it; ``failure`` is why
    it failed, None where nothing is known of that.
    """

    key: BuildKey
    duration: int
    result: str | None
    state: BuildState
    reason: str | None = None
    payload: bytes | None = None
    build_number: int | None = None
    incomplete: Incomplete | None = None
    log: KeptLog | None = None
    execution: bytes | None = None
    no_execution: str | None = None
    has_tree: bool | None = None
    depths: str | None = None
    failure: FailureFacts | None = None


@dataclass(frozen=True)
class Batch:
    """What was learned of a job: builds of its present generation.

    ``examined`` is the number up to which every build is known now; None where that is not to
    move, as of a backfill. ``gaps`` counts the numbers below that no build had. ``source`` is the
    history that the generation goes on with. ``pending`` are the builds to be asked for again, by
    number; of those in ``resolved`` nothing is awaited any more.
    """

    job: JobState
    cls: str
    builds: Sequence[BuildRow]
    examined: int | None = None
    gaps: int = 0
    source: Predecessor | None = None
    pending: Mapping[int, Pending] = field(default_factory=dict)
    resolved: Sequence[int] = ()


@dataclass(frozen=True)
class RecordResult:
    """How many builds are newly collected, and newly skipped; ``numbers`` of the collected ones.
    ``stale``: nothing was recorded, as another process found meanwhile that the job was created
    anew."""

    collected: int = 0
    skipped: int = 0
    stale: bool = False
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class KnownBuild:
    """A build as the ledger has it. ``job`` is the job's id there; ``reopened``: it was skipped for
    a reason that may prove wrong. ``offset``: what its number at SEI is more than its own, None
    where it was not sent."""

    key: BuildKey
    job: int
    generation: int
    settled: bool
    reopened: bool = False
    offset: int | None = None


@dataclass(frozen=True)
class Predecessor:
    """The history that a job goes on with: that of ``job`` in ``generation``, up to ``number``.

    ``moved`` says that it is another job's, which is no longer there under its name.
    """

    job: int
    generation: int
    number: int
    moved: bool


@dataclass(frozen=True)
class JobProgress:
    """What the ledger knows of one job's present generation.

    ``next_build_number`` is the one that Jenkins showed when ``examined`` was last moved, None for
    a job never collected; ``in_flight`` are the builds still to be collected, those > ``examined``
    seen running since; ``pending`` are those to be asked for again; ``newest`` is the newest build
    collected, to know the job again.
    """

    examined: int = 0
    next_build_number: int | None = None
    in_flight: frozenset[int] = frozenset()
    newest: BuildKey | None = None
    pending: Mapping[int, Pending] = field(default_factory=dict)

    @property
    def highest_number(self) -> int:
        """The highest number that is known to have been used."""
        newest = self.newest.number if self.newest else 0
        return max((self.next_build_number or 1) - 1, newest, self.examined)


@dataclass(frozen=True)
class JobState:
    """A job's present generation. ``id`` is 0 for a job not yet in the ledger.

    ``number_offset`` is added to a build's number at SEI; ``failures`` counts the collections that
    failed in a row, and before ``retry_at`` (epoch milliseconds) there is no other. ``missing``
    says that an item tree since its last collection did not show it: what is back may be another
    job.
    """

    full_name: str
    id: int = 0
    cls: str = ""
    generation: int = 0
    number_offset: int = 0
    progress: JobProgress = JobProgress()
    failures: int = 0
    retry_at: int = 0
    missing: bool = False
