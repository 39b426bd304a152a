"""The limit: the requests of a backfill, and bodies of the same sizes, with no parsing and no ledger.

    python -m bench.bare_loop JENKINS SEI FILE

FILE holds ``{"requests": […], "sizes": […]}``. As many requests at once as the program makes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from poller.demo.sei import REQUIRED
from poller.demo.town import GUID

AT_ONCE = 4


async def main() -> None:
    """Ask and post it all."""
    jenkins, sei, file = sys.argv[1:]
    work = json.loads(Path(file).read_text("utf-8"))
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with (
        httpx.AsyncClient(auth=("reader", "reader-token"), limits=limits, timeout=60) as one,
        httpx.AsyncClient(headers={"Authorization": "ApiKey demo-key"}, limits=limits) as other,
    ):

        async def ask(request: str) -> None:
            (await one.get(jenkins.rstrip("/") + request)).raise_for_status()

        async def post(place_and_size: tuple[int, int]) -> None:
            body = _body(*place_and_size)
            url = f"{sei}sei/api/v1/custom-cicd"
            (await other.post(url, content=body)).raise_for_status()

        await asyncio.gather(
            _all(work["requests"], ask), _all(list(enumerate(work["sizes"])), post)
        )


def _body(place: int, size: int) -> bytes:
    run = dict.fromkeys(REQUIRED, 1) | {"instance_guid": GUID, "build_number": place, "fill": ""}
    run["fill"] = "x" * max(0, size - len(json.dumps(run)))
    return json.dumps(run).encode()


async def _all(items: list[Any], do: Callable[[Any], Awaitable[None]]) -> None:
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await do(item)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main())
