"""The limit: the requests of a backfill, and bodies of the same sizes, with no parsing and no ledger.

    python -m bench.bare_loop JENKINS SEI FILE AT_ONCE

FILE holds ``{"requests": […], "sizes": […]}``. httpx as its users have it, with what it sends by
itself (keep-alive, ``Accept-Encoding``), AT_ONCE requests to Jenkins and as many to SEI as the program
makes by default, at the same time; no request waits for another one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from poller.demo.sample_jobs import GUID
from poller.demo.sei import REQUIRED

TO_SEI = 4

RUN = dict.fromkeys(REQUIRED, 1) | {"instance_guid": GUID, "build_number": 1, "fill": ""}
HEAD, TAIL = json.dumps(RUN).encode()[:-2], b'"}'
"""What SEI takes, open for as much fill as is due."""


async def main() -> None:
    """Ask and post it all."""
    jenkins, sei, file, at_once = sys.argv[1:]
    work = json.loads(Path(file).read_text("utf-8"))
    limits = httpx.Limits(max_connections=TO_SEI, max_keepalive_connections=TO_SEI)
    json_key = {"Authorization": "ApiKey demo-key", "Content-Type": "application/json"}
    async with (
        httpx.AsyncClient(auth=("reader", "reader-token"), limits=limits, timeout=60) as one,
        httpx.AsyncClient(headers=json_key, limits=limits, timeout=60) as other,
    ):

        async def ask(request: str) -> None:
            (await one.get(jenkins.rstrip("/") + request)).raise_for_status()

        async def post(size: int) -> None:
            body = HEAD + b"x" * (size - len(HEAD) - len(TAIL)) + TAIL
            (await other.post(f"{sei}sei/api/v1/custom-cicd", content=body)).raise_for_status()

        await asyncio.gather(
            _all(work["requests"], ask, int(at_once)), _all(work["sizes"], post, TO_SEI)
        )


async def _all(items: list[Any], do: Callable[[Any], Awaitable[None]], at_once: int) -> None:
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await do(item)

    await asyncio.gather(*(worker() for _ in range(at_once)))


if __name__ == "__main__":
    asyncio.run(main())
