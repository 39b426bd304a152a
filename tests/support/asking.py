"""A client's questions to a simulated Jenkins over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from poller.demo.jenkins.items import Jenkins
from poller.http.client import ANSWER_LIMIT, Connection
from poller.jenkins.client import JenkinsClient

T = TypeVar("T")


class Asking:
    """A simulated Jenkins, and what is asked of it."""

    def __init__(self, jenkins: Jenkins, url: str) -> None:
        self.jenkins = jenkins
        self.url = url

    def run(
        self,
        work: Callable[[JenkinsClient], Awaitable[T]],
        timeout: int = 5_000,
        answer_limit: int = ANSWER_LIMIT,
    ) -> T:
        """What ``work`` gives; ``timeout`` is in milliseconds."""

        async def main() -> T:
            connection = Connection(self.url, timeout, 4, answer_limit=answer_limit)
            api = JenkinsClient("main", connection, "reader", "reader-token")
            try:
                return await work(api)
            finally:
                await api.aclose()

        return asyncio.run(main())

    @property
    def asked(self) -> list[str]:
        """Path and query of each request, of the probes too."""
        return [f"{request.path}?{request.query}" for request in list(self.jenkins.requests)]
