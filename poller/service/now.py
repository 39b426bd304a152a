"""`sei-poller now`: what waits is asked at once. A service looks for such requests each second."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from poller.core.errors import LedgerUnwritable
from poller.core.now_request import take_requests
from poller.service.parts import ServiceParts
from poller.service.scheduler import job_fields

LOOK_SECONDS = 1.0
"""Between two looks."""


class Waiting(Protocol):
    """A job of the service that may wait for a server. ``controller`` is the one that it polls,
    None for a sink."""

    id: str
    controller: str | None

    def end_wait(self) -> None:
        """Its next run does not wait for a time to try again."""


async def follow_requests(parts: ServiceParts, jobs: Sequence[Waiting]) -> None:
    """For ever: take requests, and run the jobs that they are for. One that is under way began
    before the request: it is run once more."""
    due: dict[str, Waiting] = {}
    requests: set[str | None] = set()
    problem = ""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            requests.update(take_requests(parts.context.ledger.path))
            for controller in requests:
                parts.context.ledger.jobs.ask_now(controller)
                due |= {job.id: job for job in jobs if controller in (None, job.controller)}
            requests.clear()
        except OSError as error:
            if str(error) != problem:
                problem = str(error)
                structlog.get_logger().warning("service_request_unreadable", problem=problem)
        except LedgerUnwritable as error:  # the requests stay
            parts.guard.report(error)
        for job in [job for job in due.values() if job.id not in parts.scheduler.running]:
            del due[job.id]
            job.end_wait()
            structlog.get_logger().info("asked_now", **job_fields(job.id))
            parts.scheduler.run_soon(job.id)
