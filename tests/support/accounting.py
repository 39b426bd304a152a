"""The program in this process against a simulated Jenkins and SEI, to be crashed at any await."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from poller.config.load import load
from poller.config.settings import Settings
from poller.context import AppContext, open_context
from poller.core.errors import RemoteError
from poller.core.patterns import Globs
from poller.demo.faults import Receive, Scope, Send
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from poller.demo.server import Server
from poller.http.throttle import RateLimit
from poller.polling.backfill import Window, backfill
from poller.polling.controller import Controller
from poller.polling.cycle import PollResult, poll
from poller.polling.reconciliation import Difference, collect_missing, reconcile, selected
from poller.polling.self_check import self_check
from tests.support.simulated_iacm import Harness
from tests.support.simulated_iacm_site import HARNESS_KEY
from tests.support.site import GUID, KEY, TOKEN

CONFIG = """\
[[controllers]]
name = "main"
url = "{jenkins}"
user = "reader"
token_env = "JENKINS_TOKEN"
instance_guid = "{guid}"
since = "all"
timeout = "5s"
answer_limit = "1MiB"

[sei]
base_url = "{sei}sei/api/v1"
api_key_env = "SEI_API_KEY"
request_rate = 10000
timeout = "5s"

[ledger]
path = "{ledger}"
"""

BOTH_SINKS = (
    CONFIG
    + """\

[harness]
url = "{harness}"
account = "acc"
org = "org"
project = "project"
api_key_env = "HARNESS_API_KEY"
timeout = "5s"

[[rules]]
match = "**"
iacm_workspace = "network"
iacm_stage = "Build"
"""
)


EXTRAS = ("job_run", "trigger_chain", "artifacts")
"""What a run may go without at first, and is sent again with."""


def record_of(run: dict[str, Any]) -> dict[str, Any]:
    """What a run never goes without: all but the extras."""
    return {key: value for key, value in run.items() if key not in EXTRAS}


class Stage:
    """Three servers whose Jenkins, SEI and Harness are new for each play."""

    def __init__(self) -> None:
        self.jenkins, self.sei, self.harness = Jenkins(), Sei(guids={GUID}), Harness()
        self.jenkins_server = Server(self._ask_jenkins)
        self.sei_server = Server(self._ask_sei)
        self.harness_server = Server(self._ask_harness)

    async def _ask_jenkins(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.jenkins.app(scope, receive, send)

    async def _ask_sei(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.sei.app(scope, receive, send)

    async def _ask_harness(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.harness.app(scope, receive, send)

    def __enter__(self) -> Stage:
        self.jenkins_server.start()
        self.sei_server.start()
        self.harness_server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.harness_server.stop()
        self.sei_server.stop()
        self.jenkins_server.stop()


@dataclass
class Program:
    """The program with its ledger in ``directory``; ``now`` is its clock, epoch milliseconds."""

    config: ClassVar[str] = CONFIG
    stage: Stage
    directory: Path
    now: int = 1_700_000_000_000
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)
    line: AppContext | None = None
    _open: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    def start(self) -> AppContext:
        """Open everything, unless it is open."""
        if self.line is None:
            path = self.directory / "poller.toml"
            path.write_text(
                self.config.format(
                    jenkins=self.stage.jenkins_server.url,
                    sei=self.stage.sei_server.url,
                    harness=self.stage.harness_server.url,
                    guid=GUID,
                    ledger=self.directory / "ledger.db",
                )
            )
            environ = {"JENKINS_TOKEN": TOKEN, "SEI_API_KEY": KEY, "HARNESS_API_KEY": HARNESS_KEY}
            opening = open_context(self.settings(load(path, environ)), environ, clock=self.clock)
            self.line = self.runner.run(self._open.enter_async_context(opening))
        return self.line

    def settings(self, given: Settings) -> Settings:
        """What the program goes by, from its config."""
        return given

    def stop(self) -> None:
        """Let go of everything, as the end of the process does."""
        self.runner.run(self._open.aclose())
        self.line = None

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self.runner.close()

    def poll(self) -> PollResult:
        """One poll, without delivery."""
        line = self.start()
        (controller,) = line.controllers
        return self.runner.run(poll(controller))

    def deliver(self) -> None:
        """One pass over the outbox."""
        line = self.start()
        for sender in line.senders:
            self.runner.run(sender.run_pass())

    def reconcile(self, *, fill: bool) -> list[Difference]:
        """What is missing, and with ``fill`` collected at once."""
        line = self.start()
        (controller,) = line.controllers
        return self.runner.run(_reconcile(controller, fill=fill))

    def self_check(self) -> None:
        """What the service compares by itself, and collects."""
        (controller,) = self.start().controllers
        self.runner.run(self_check(controller, 10))

    def backfill(self) -> None:
        """All there is; where the item tree can't be had, nothing."""
        (controller,) = self.start().controllers
        with contextlib.suppress(RemoteError):
            self.runner.run(backfill(controller, Window(0, 2 * self.now), Globs(["**"])))

    def crash(self, after: int) -> None:
        """Poll and deliver, and die after so many turns of the event loop: all that is in memory
        is lost, and what is not committed."""
        line = self.start()
        (controller,) = line.controllers

        async def work() -> None:
            await poll(controller)
            for sender in line.senders:
                await sender.run_pass()

        self.runner.run(_cut_off(work(), after))
        self.stop()

    def clock(self) -> int:
        """Now."""
        return self.now


async def _reconcile(controller: Controller, *, fill: bool) -> list[Difference]:
    pace = RateLimit(None, asyncio.get_running_loop().time)
    found: list[Difference] = []
    choose = selected(controller, Globs(["**"]))
    jobs = reconcile(controller, choose, 0, pace, found.append)
    async for checked in jobs:
        assert checked.problem is None
        if fill:
            await collect_missing(controller, checked, 0)
    return [finding for finding in found if not finding.differs]


async def _cut_off(work: Coroutine[Any, Any, None], after: int) -> None:
    task = asyncio.create_task(work)
    for _ in range(after):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
