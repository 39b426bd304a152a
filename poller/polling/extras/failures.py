"""Why a build failed: the logs of its failed steps, the line that explains it, its failed tests.

None of it keeps a build back. A log that a plugin does not give is cut out of the console log.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from poller.core.errors import BadAnswer, RemoteError, Unreachable, is_away
from poller.core.escape import NAME, clip
from poller.core.kept_log import HeadAndTail, KeptLog, pack, unpack
from poller.jenkins.build import Build
from poller.jenkins.client import JenkinsClient
from poller.jenkins.stages.source import EMPTY, NodeLog
from poller.ledger.logs.failures import FailedTest, FailureFacts, FirstCause
from poller.ledger.logs.steps import StepLog
from poller.mapping.evidence import EnrichedBuild, Missing
from poller.mapping.failure.failed_steps import (
    FailedStep,
    console_part,
    console_tail,
    failed_steps,
)
from poller.mapping.failure.first_cause import CauseText, Failed, first_cause
from poller.mapping.redaction import Redactor
from poller.polling.extras.console_log import NOT_FAILED, TRIES, LogCapture
from poller.polling.extras.junit_report import fetch_report
from poller.polling.extras.stage_trees import StageTrees

MOST_LOGS = 5
"""Failed steps of a build whose logs are read: a request each."""

MOST_TESTS = 100
"""Failed tests of a build that are kept."""

MESSAGE, TRACE = 500, 4_000
"""Characters of what a failed test says."""

CONSOLE = "console"
NOT_ASKED = "not asked for: another one of the build got no answer"

_NO_XML = {0xFFFE: None, 0xFFFF: None}
"""What no XML may have, beside what :func:`clip` takes out: a failed test may become some."""


@dataclass(frozen=True)
class FailureCollector:
    """What is asked of a failed build. ``step_logs``: whether logs of its steps are kept, at most
    ``keep`` bytes of each, read in ``timeout`` seconds; ``tests``: whether its failed tests are."""

    step_logs: bool
    keep: int
    timeout: float
    tests: bool

    def for_rules_only(self) -> FailureCollector:
        """The same, to ask nothing."""
        return dataclasses.replace(self, step_logs=False, tests=False)

    async def read(
        self, client: JenkinsClient, stages: StageTrees, full_name: str, enriched: EnrichedBuild
    ) -> EnrichedBuild:
        """The build with why it failed, where it did. Raises RemoteError where the controller is
        away, and for nothing else."""
        build, redactor = enriched.build, enriched.redactor
        lacks: list[Missing] = []
        tests: Sequence[FailedTest] = ()
        if self.tests and build.tests is not None and build.tests.failed:
            try:
                tests = await _failed_tests(client, full_name, build.number, redactor)
            except RemoteError as error:
                if is_away(error):
                    raise
                lacks.append(Missing("tests", f"test report: {error.reason}"))
        if build.result in NOT_FAILED:
            facts = FailureFacts(tests=tests) if tests else None
            return _with(enriched, facts, lacks)
        packed = enriched.log.packed if enriched.log is not None else None
        console = b"" if packed is None else unpack(packed)
        steps = failed_steps(enriched.tree, redactor, MOST_LOGS) if enriched.tree else []
        logs: list[StepLog] = []
        if self.step_logs:
            reader = _StepReader(self, stages, full_name, enriched)
            logs = [one for step in steps if (one := await reader.read(step, console))]
        return _with(
            enriched, FailureFacts(logs, _cause(build, steps, logs, console), tests), lacks
        )


def _cause(
    build: Build, steps: Sequence[FailedStep], logs: Sequence[StepLog], console: bytes
) -> FirstCause | None:
    texts = [
        CauseText(unpack(log.kept.packed), log.of, place)
        for place, log in enumerate(logs)
        if log.kept.packed is not None
    ]
    messages = [
        CauseText(step.message.encode(), step.of, is_log=False) for step in steps if step.message
    ]
    counts = (build.tests.failed, build.tests.total) if build.tests is not None else (0, 0)
    return first_cause(Failed(build.result or "", texts, messages, console, counts))


def _with(
    enriched: EnrichedBuild, facts: FailureFacts | None, lacks: Sequence[Missing]
) -> EnrichedBuild:
    return dataclasses.replace(enriched, failure=facts, incomplete=(*enriched.incomplete, *lacks))


class _StepReader:
    """Reads the logs of one build's failed steps."""

    def __init__(
        self,
        collector: FailureCollector,
        stages: StageTrees,
        full_name: str,
        enriched: EnrichedBuild,
    ) -> None:
        self._collector = collector
        self._stages = stages
        self._full_name = full_name
        self._enriched = enriched
        self._answers = True
        self._tail_used = False

    async def read(self, step: FailedStep, console: bytes) -> StepLog | None:
        """What is kept of a step's log; None where it wrote nothing. Raises RemoteError where the
        controller is away."""
        why = ""
        for _ in range(TRIES):
            if not self._answers:
                break
            try:
                found = await self._from_plugin(step)
            except RemoteError as error:
                if is_away(error):
                    raise
                why = error.reason
                if isinstance(error, Unreachable | BadAnswer):
                    continue
                break
            if found is not None:
                return found
            why = "it is too long"
            break
        else:
            self._answers = False  # others of the build would have to be waited for, too
        if why == EMPTY:
            return None
        part = console_part(console, step)
        if not part and not self._tail_used:
            self._tail_used, part = True, console_tail(console)
        kept = _kept(part, self._collector.keep) if part else KeptLog(read_error=why or NOT_ASKED)
        return StepLog(step.of, CONSOLE, kept)

    async def _from_plugin(self, step: FailedStep) -> StepLog | None:
        """None where it is too long to be had so."""
        enriched = self._enriched
        assert enriched.tree is not None  # noqa: S101 - it has the step
        capture = LogCapture(enriched.redactor, keep=self._collector.keep, patterns=())
        address = NodeLog(self._full_name, enriched.build.number, step.of.stage, step.of.step)
        source, whole = await self._stages.read_log(
            enriched.tree, address, capture.feed, self._collector.timeout
        )
        return StepLog(step.of, source, capture.end().kept) if whole else None


def _kept(text: bytes, limit: int) -> KeptLog:
    kept = HeadAndTail(limit)
    kept.add(text)
    return KeptLog(pack(kept.text()), kept.size, kept.left_out)


def _milliseconds(seconds: Any) -> int:
    given = isinstance(seconds, int | float) and 0 <= seconds <= 1e9
    return round(1000 * seconds) if given else 0


async def _failed_tests(
    client: JenkinsClient, full_name: str, number: int, redactor: Redactor
) -> list[FailedTest]:
    report = await fetch_report(client, full_name, number)

    def text(told: Any, limit: int) -> str:
        told = told if isinstance(told, str) else ""
        if len(told) > 4 * limit:
            # It is cut before it is searched for secrets, at no place within one, and after it.
            told = told[: 4 * limit].rpartition(" ")[0]
        return clip(redactor.text(told), limit).translate(_NO_XML)

    found: list[FailedTest] = []
    for suite, case in report.failed():
        if len(found) == MOST_TESTS:
            break
        names = text(suite, NAME), text(case.className, NAME), text(case.name, NAME)
        found.append(
            FailedTest(
                *names,
                case.status,
                _milliseconds(case.duration),
                text(case.errorDetails, MESSAGE),
                text(case.errorStackTrace, TRACE),
            )
        )
    return found
