"""Sends failed builds with their logs, as long as SEI takes that. What it does not take so goes the
documented way and is never held back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from poller.core.errors import LedgerUnwritable, RemoteError
from poller.core.tasks import in_thread
from poller.core.times import Clock
from poller.delivery.answer import OF_THE_RUN, TEMPORARY, ResponseKind, meaning_of
from poller.delivery.failed_logs.plugin_form import LogLimits, LogText, PluginForm, plugin_form
from poller.delivery.sink import Receipt
from poller.http.breaker import Breaker, BreakerFailure, BreakerPolicy, BreakerState
from poller.http.errors import TOO_MANY
from poller.ledger import Ledger
from poller.ledger.deliveries.queue import ORDERED_TRIES, QueuedDelivery

SEI = "sei"
CIRCUIT = "sei logs"
"""The name of the form's circuit breaker, which is kept as one of a sink."""

POLICY = BreakerPolicy(failures=3, first=300, longest=3600, max_retry_after=0)
"""When the form is not tried any more, and when again."""

FAILED = ("FAILURE", "UNSTABLE", "ABORTED")
"""Results of builds whose logs are sent, as the plugin does."""

TOO_LARGE, UNSUPPORTED = 413, 415
"""The first speaks of these logs, the second of the form, both of no run."""


@dataclass(frozen=True)
class WithoutLogs:
    """Why a run goes without its logs: empty where it has none. ``fault`` is what that says against
    the form, if SEI takes the run without."""

    why: str = ""
    fault: BreakerFailure | None = None


class FailedLogs:
    """The logs of failed builds in the ledger, and the circuit breaker of their form. ``turn``
    waits until SEI may have one more request."""

    def __init__(
        self, ledger: Ledger, clock: Clock, limits: LogLimits, turn: Callable[[], Awaitable[None]]
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._limits = limits
        self._turn = turn
        self._one_at_a_time = asyncio.Lock()
        """Texts take much more memory than the form that is made of them."""
        self._unanswered: BreakerFailure | None = None
        """The last form got no answer, and SEI took nothing since."""

    async def send(
        self, delivery: QueuedDelivery, post: Callable[[PluginForm], Awaitable[Receipt]]
    ) -> Receipt | WithoutLogs:
        """What SEI says of a run with its logs; or why it is to be sent without.

        Raises RemoteError where there was no answer, and LedgerError.
        """
        if delivery.result not in FAILED:
            return WithoutLogs()
        async with self._one_at_a_time:
            form = await self._form(delivery)
        if isinstance(form, WithoutLogs):
            return form
        try:
            receipt = await post(form)
        except RemoteError as error:
            self._unanswered = self._fault(str(error))
            if self._is_patient(delivery):
                raise
            without = WithoutLogs(str(error), self._unanswered)
        else:
            meaning = meaning_of(receipt, knows_json=False)
            self._unanswered = None
            if meaning.kind is ResponseKind.DELIVERED:
                self._keep(self._breaker().succeeded(self._clock()))
                return receipt
            status = receipt.status
            if status == TOO_MANY and delivery.tries < ORDERED_TRIES:
                return receipt
            if not _is_refusal(status) and self._is_patient(delivery):
                return receipt
            fault = None if status == TOO_LARGE else self._fault(meaning.why, status)
            without = WithoutLogs(meaning.why, fault)
        await self._turn()
        return without

    def note_taken(self, without: WithoutLogs) -> None:
        """SEI took a run without logs, which it may have none of: it is there, so that a form that
        got no answer before is at fault."""
        fault, self._unanswered = without.fault or self._unanswered, None
        if fault is not None:
            self._keep(self._breaker().failed(fault, POLICY))

    async def _form(self, delivery: QueuedDelivery) -> PluginForm | WithoutLogs:
        texts = self._texts(delivery.build)
        tests = self._ledger.failures.tests(delivery.build)
        if not texts and not tests:
            return WithoutLogs()
        breaker = self._breaker()
        if breaker.state is BreakerState.OPEN:
            return WithoutLogs(f"SEI did not take others: {breaker.why}")
        return await in_thread(partial(plugin_form, delivery.payload, texts, tests, self._limits))

    def _texts(self, build: int) -> list[LogText]:
        """The logs of its failed steps; where none is kept, that of the whole run."""
        logs = self._ledger.step_logs
        texts = [
            LogText(logs.text(build, row.place), row.of.stage, row.of.step)
            for row in logs.of_build(build)
        ]
        texts = [text for text in texts if text.text]
        if not texts and (text := self._ledger.logs.text(build)):
            texts.append(LogText(text))
        return texts

    def _is_patient(self, delivery: QueuedDelivery) -> bool:
        """Whether the logs are worth another try. Not where their form failed before, nor while
        nothing goes through, as it may be their form alone that fails."""
        sei = self._ledger.breakers.get("sink", SEI)
        return delivery.tries < ORDERED_TRIES and self._breaker().closed and sei.closed

    def _fault(self, why: str, status: int = 0) -> BreakerFailure:
        """A status that may speak of the run is not the form's before it is again and again."""
        at_once = (_is_refusal(status) and status not in OF_THE_RUN) or status == UNSUPPORTED
        jitter = random.random()  # noqa: S311 - spreads load, guards nothing
        return BreakerFailure(self._clock(), why, jitter, at_once=at_once)

    def _breaker(self) -> Breaker:
        """The form's, half-open as soon as it is to be tried again."""
        breaker, now = self._ledger.breakers.get("sink", CIRCUIT), self._clock()
        ahead = (breaker.next_try or now) - now
        waits = 0 < ahead <= POLICY.most * 1000  # what lies further ahead is of another clock
        return breaker if waits else breaker.half_opened()

    def _keep(self, breaker: Breaker) -> None:
        """What SEI has answered counts also where this can't be written."""
        with contextlib.suppress(LedgerUnwritable):
            self._ledger.breakers.keep("sink", CIRCUIT, breaker)


def _is_refusal(status: int) -> bool:
    """Whether it is no use to send the same form again soon."""
    return 300 <= status < 500 and status not in TEMPORARY
