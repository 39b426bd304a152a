"""When the service sends: at once when something was collected, and not again and again in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from poller.config.servers import ControllerConfig, JsonlConfig, SeiConfig
from poller.config.settings import Settings
from poller.context import AppContext
from poller.core.events import NO_EVENTS
from poller.core.times import now_ms
from poller.delivery.sender import Sender
from poller.delivery.settlement import Settlement
from poller.delivery.sink import Receipt
from poller.ledger import Ledger
from poller.ledger.deliveries.queue import QueuedDelivery
from poller.service.delivery_loop import DeliveryLoop
from poller.service.ledger_guard import LedgerGuard
from poller.service.parts import ServiceParts, Stop
from poller.service.scheduler import Scheduler, interval
from poller.service.systemd import Systemd
from poller.service.watchdog import Watchdog
from poller.status.metrics import Metrics
from tests.support.outbox import queue_build

SETTINGS = Settings(
    controllers=(ControllerConfig(name="main", url="https://j/", user="u", token_env="T"),),
    jsonl=JsonlConfig(path="runs.jsonl"),
)


class Taking:
    """A sink; ``meanwhile`` happens while it takes a run."""

    name, in_flight = "jsonl", 1

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.taken: list[bytes] = []
        self._meanwhile = meanwhile

    async def send(self, delivery: QueuedDelivery) -> Receipt:
        """Take it."""
        self.taken.append(delivery.payload)
        self._meanwhile()
        return Receipt(200)

    async def aclose(self) -> None:
        """Nothing is held."""


def parts_of(
    ledger: Ledger, sink: Taking, settings: Settings = SETTINGS
) -> tuple[ServiceParts, DeliveryLoop]:
    """The service with that sink alone, whose own time comes in an hour."""
    settlement = Settlement(ledger)
    sender = Sender(sink, ledger, now_ms, NO_EVENTS, settlement)
    context = AppContext(settings, ledger, now_ms, (), (sender,), settlement)
    scheduler, watchdog = Scheduler(), Watchdog(Systemd({}))
    guard = LedgerGuard(ledger, lambda _why: None, scheduler.run_soon)
    parts = ServiceParts(context, Metrics(SETTINGS), scheduler, guard, watchdog, Stop())
    loop = DeliveryLoop(parts, sender)
    scheduler.add(loop.id, interval(3600.0), loop.run_once, 3600.0)
    scheduler.start()
    return parts, loop


def test_what_is_collected_at_the_end_of_a_pass_is_sent_at_once(tmp_path: Path) -> None:
    """Not with the next look, some seconds later: another pass follows."""

    async def main(ledger: Ledger) -> list[bytes]:
        second = asyncio.Event()
        sink = Taking(lambda: second.set() if len(sink.taken) == 2 else None)
        parts, loop = parts_of(ledger, sink)
        queue_build(ledger, "jsonl", "app", 1)
        loop.wake()
        while loop.id not in parts.scheduler.running:  # noqa: ASYNC110 - turn by turn
            await asyncio.sleep(0)
        while parts.scheduler.running:
            # As late as can be: the pass has read the queue for the last time.
            if len(sink.taken) == 1 and ledger.outbox.count_queued() == 0:
                queue_build(ledger, "jsonl", "app", 2)
                loop.wake()
                break
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await second.wait()
        await parts.scheduler.aclose()
        return sink.taken

    with Ledger(tmp_path / "ledger.db") as ledger:
        assert len(asyncio.run(main(ledger))) == 2


@pytest.mark.parametrize(("logs", "seconds"), [("none", 35.0), ("failed", 65.0)])
def test_a_stop_waits_for_all_of_a_send(tmp_path: Path, logs: str, seconds: float) -> None:
    """What SEI does not take with its logs goes once more without."""
    given = {"environment": "EU", "api_key_env": "K", "logs": logs}
    settings = SETTINGS.model_copy(update={"sei": SeiConfig.model_validate(given)})
    sink = Taking(lambda: None)
    sink.name = "sei"

    async def main() -> float:
        with Ledger(tmp_path / "ledger.db") as ledger:
            parts, loop = parts_of(ledger, sink, settings)
            await parts.scheduler.end({})
            return loop.stop_seconds

    assert asyncio.run(main()) == seconds


def test_a_bug_in_a_sink_makes_it_wait_and_nothing_else(tmp_path: Path) -> None:
    """It is not asked again at once, and the run stays queued."""

    def fail() -> None:
        raise ZeroDivisionError("of the sink's own")

    async def main(ledger: Ledger) -> int:
        sink = Taking(fail)
        parts, loop = parts_of(ledger, sink)
        queue_build(ledger, "jsonl", "app", 1)
        with pytest.raises(ZeroDivisionError):
            await loop.run_once()
        await loop.run_once()
        loop.wake()
        await parts.scheduler.aclose()
        return len(sink.taken)

    with Ledger(tmp_path / "ledger.db") as ledger:
        assert asyncio.run(main(ledger)) == 1
        assert ledger.outbox.count_queued() == 1
