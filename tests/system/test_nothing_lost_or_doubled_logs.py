"""The same play with logs: each failed build reaches SEI once, with its logs or without."""

from __future__ import annotations

import gc
import json
import warnings
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from tests.support.accounting import CONFIG, EXTRAS, Program
from tests.support.campaign import sizes
from tests.system import test_nothing_lost_or_doubled as one_way

pytestmark = one_way.pytestmark
STAGE = one_way.STAGE
PLAYS = settings(one_way.PLAYS, max_examples=40)
FORM = "*/generic-requests/multipart"
INNER = json.dumps({"payload": json.dumps({"run_ids": [], "error": "no"})})
REFUSALS = ((404, "no"), (405, "no"), (413, "too large"), (400, "no"), (500, "no"), (200, INNER))
NOT_IN_THE_FORM = ("execution_id", "web_url", "project_name", "themes", "cfr_status")


@pytest.fixture(scope="module", autouse=True)
def stage() -> Iterator[None]:
    """All servers, for all plays."""
    with STAGE:
        yield
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


class SendsLogs(Program):
    """The program, asked for logs in SEI."""

    config = CONFIG.replace("[sei]", '[sei]\nlogs = "failed"')


class WithLogs(one_way.NothingLostOrDoubled):
    """SEI takes logs, or does not, in any way and at any time."""

    program_class = SendsLogs

    @rule(answer=st.sampled_from(REFUSALS), count=st.integers(1, 4))
    def sei_takes_no_logs(self, answer: tuple[int, str], count: int) -> None:
        """Nothing is held back by it: after a few tries all goes without."""
        status, body = answer
        self.sei.fail(FORM, status=status, body=body, headers={"Content-Type": "application/json"})
        for number in range(count):
            self._build(f"failing-{number}", "freestyle", "FAILURE")
        self.program.poll()
        self.program.deliver()

    @precondition(lambda self: self.sei.faults)
    @rule()
    def logs_are_sent_again(self) -> None:
        """As soon as SEI takes them, and the form's circuit lets one try."""
        self.program.now += 120 * one_way.MINUTE
        self.sei.clear_faults()
        self.sei.hold_answers = self.sei.slow = False
        before = len(self.sei.forms)
        self._build("app", "freestyle", "FAILURE")
        for _ in range(3):
            self.program.now += 20 * one_way.MINUTE
            self.program.poll()
            self.program.deliver()
        assert len(self.sei.forms) > before

    @invariant()
    def what_is_sent_again_is_the_same(self) -> None:
        """Whichever way; and only where it has more extras or an answer can be lost."""
        sent = defaultdict(list)
        for run in self.sei.received:
            sent[one_way.uid(run)].append(run)
        left_out = (*EXTRAS, *NOT_IN_THE_FORM)
        for runs in sent.values():
            records = [{k: v for k, v in run.items() if k not in left_out} for run in runs]
            assert all(record == records[0] for record in records)
        if not self.may_double:
            for runs in sent.values():
                assert len({json.dumps(run, sort_keys=True) for run in runs}) == len(runs)


@pytest.mark.parametrize("plays", sizes(3, 25))
def test_each_failed_build_goes_one_way(plays: int) -> None:
    """Whatever SEI says of the form, with crashes at any await and answers lost."""
    run_state_machine_as_test(WithLogs, settings=settings(PLAYS, max_examples=plays))
