"""Bytes that a settled build takes on disk when its payload has gone: `python -m bench.ledger N`.

Builds go the way of the program: recorded in pages, settled one by one, their payloads dropped.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from poller.core.build_key import BuildKey
from poller.ledger import Ledger
from poller.ledger.deliveries.outbox import PAGES_GIVEN_BACK
from poller.ledger.deliveries.queue import Lane
from poller.ledger.records import Batch, BuildRow, JobState

LIMIT = 400
PAGE = 100
PAYLOAD = b'{"pipeline":"checkout","job_run":{"stages":[]}}' * 60
CLASS = "org.jenkinsci.plugins.workflow.job.WorkflowJob"


def bytes_a_build(builds: int) -> float:
    """What a ledger of so many settled builds takes, a build."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.db"
        with Ledger(path) as ledger:
            controller = ledger.controllers.get("main", 0).id
            for batch in _pages(builds):
                ledger.builds.record(controller, batch, ("sei",), batch.builds[-1].key.timestamp)
                for delivery, _job in ledger.queue.untried("sei", Lane(controller, False), PAGE):
                    ledger.outbox.settle(delivery, "delivered", 1_800_000_000_000, 202)
                ledger.outbox.forget_payloads(1_800_000_000_001)
            (free,) = ledger.file.conn.execute("pragma freelist_count").fetchone()
            for _ in range(free // PAGES_GIVEN_BACK + 1):
                ledger.outbox.forget_payloads(0)
            ledger.file.conn.execute("pragma wal_checkpoint(truncate)").fetchall()
        return path.stat().st_size / builds


def _pages(builds: int) -> Iterator[Batch]:
    """A hundred builds a job and page, in ten thousand jobs in turn."""
    for page in range(builds // PAGE):
        job, first = page % 10_000, page // 10_000 * PAGE + 1
        name = f"team-{job % 300}/service-{job}"
        rows = [
            BuildRow(
                BuildKey(number, 1_700_000_000_000 + page * 60_000 + number, page * PAGE + number),
                123_456, "SUCCESS", "collected", None, PAYLOAD, number,
            )
            for number in range(first, first + PAGE)
        ]  # fmt: skip
        yield Batch(JobState(name), CLASS, rows, first + PAGE - 1)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    sys.stdout.write(
        f"{bytes_a_build(count):.0f} bytes a settled build of {count:,}; limit {LIMIT}\n"
    )
