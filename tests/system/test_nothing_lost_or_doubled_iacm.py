"""The same play with both sinks: whatever happens to one, the other gets each build once."""

from __future__ import annotations

import gc
import json
import warnings
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from poller.ledger.executions import SINK
from tests.support.accounting import BOTH_SINKS, Program
from tests.support.campaign import sizes
from tests.support.simulated_iacm import Harness
from tests.support.simulated_iacm_site import HARNESS_KEY
from tests.system import test_nothing_lost_or_doubled as one_sink

pytestmark = one_sink.pytestmark
STAGE = one_sink.STAGE
PLAYS = settings(one_sink.PLAYS, max_examples=40)


@pytest.fixture(scope="module", autouse=True)
def stage() -> Iterator[None]:
    """All servers, for all plays."""
    with STAGE:
        yield
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


class WithBothSinks(Program):
    """The program with a rule that every build is recorded at IaCM, too."""

    config = BOTH_SINKS


class BothSinks(one_sink.NothingLostOrDoubled):
    """IaCM is down and loses answers on its own."""

    program_class = WithBothSinks
    sei_never_takes = None  # type: ignore[assignment] # what is queued says here who is held back

    def __init__(self) -> None:
        super().__init__()
        self.harness = STAGE.harness = Harness(HARNESS_KEY, clock=lambda: self.time)

    def _something_to_send(self) -> None:
        """After a while, so that what failed before is due again."""
        self.program.now += 20 * one_sink.MINUTE
        self._build("app", "pipeline", "SUCCESS")
        self.program.poll()
        self.program.deliver()

    def _sei_is_up(self) -> bool:
        return not (self.sei.faults or self.sei.hold_answers or self.sei.slow)

    def _iacm_is_up(self) -> bool:
        return not (self.harness.faults or self.harness.hold_answers)

    @rule()
    def iacm_is_down(self) -> None:
        self.harness.fail(status=503)
        self._something_to_send()
        assert not (self._sei_is_up() and self._queued("sei")), "SEI was held back"

    @rule()
    def iacm_loses_answers(self) -> None:
        self.may_double = True
        self.harness.hold_answers = True
        self._something_to_send()
        assert not (self._sei_is_up() and self._queued("sei")), "SEI was held back"

    @rule(answer=st.sampled_from(one_sink.NO_SUCCESS))
    def sei_is_down(self, answer: tuple[int, str]) -> None:
        super().sei_is_down(answer)
        self._something_to_send()
        assert not (self._iacm_is_up() and self._queued(SINK)), "IaCM was held back"

    @precondition(lambda self: not self._iacm_is_up())
    @rule()
    def iacm_is_back(self) -> None:
        self.harness.clear_faults()
        self.harness.hold_answers = False

    @invariant()
    def an_execution_is_sent_again_the_same(self) -> None:
        """To the byte; and only where an answer can be lost."""
        bodies = defaultdict(list)
        for sent in self.harness.received:
            bodies[sent["pipeline_execution_id"]].append(json.dumps(sent, sort_keys=True))
        assert [id_ for id_, sent in bodies.items() if len(set(sent)) > 1] == []
        if not self.may_double:
            assert [id_ for id_, sent in bodies.items() if len(sent) > 1] == []

    @rule()
    def compare(self) -> None:
        """When all is quiet, IaCM has each run with a stage that SEI has, and no other."""
        self.iacm_is_back()
        super().compare()
        assert {
            (one["pipeline_execution_id"], one["pipeline_stage_id"], one["pipeline"])
            for one in self.harness.executions
        } == {
            (run["execution_id"], stage["id"], run["job_full_name"])
            for run in self.sei.received
            for stage in (run["job_run"] or {"stages": ()})["stages"]
            if stage["displayName"] == "Build"
        }
        assert len(self.harness.executions) == len({
            one["pipeline_execution_id"] for one in self.harness.executions
        })  # fmt: skip


@pytest.mark.parametrize("plays", sizes(3, 25))
def test_neither_sink_loses_or_doubles_anything(plays: int) -> None:
    """One down, the other up, in any order, with crashes at any await and answers lost."""
    run_state_machine_as_test(BothSinks, settings=settings(PLAYS, max_examples=plays))


class ForgetsExecutions(WithBothSinks):
    """A program with a mistake: what IaCM does not take at once, it forgets."""

    def deliver(self) -> None:
        super().deliver()
        with self.start().ledger.file.write("forget") as conn:
            conn.execute("delete from delivery where sink = 'iacm' and state = 'queued'")


class WithAMistake(BothSinks):
    """The same play with that program."""

    program_class = ForgetsExecutions


def test_the_play_finds_an_execution_that_is_forgotten() -> None:
    """A test that can't fail proves nothing."""
    found = settings(PLAYS, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(WithAMistake, settings=found)
