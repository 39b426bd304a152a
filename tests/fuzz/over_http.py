"""The whole program against hostile servers, over HTTP: polls, backfills, reconciles, `once`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poller.actions.check import check_file
from poller.actions.preview import preview
from poller.actions.reconcile import Comparison
from poller.actions.reconcile_iacm import reconcile_iacm
from poller.config.load import load
from poller.context import AppContext, open_context
from poller.core.errors import PollerError
from poller.core.patterns import Globs
from poller.delivery.flush import flush_all
from poller.demo.jenkins.items import Jenkins
from poller.demo.sei import Sei
from poller.http.throttle import RateLimit
from poller.polling.backfill import Window, backfill, estimate
from poller.polling.cycle import poll
from poller.polling.reconciliation import Difference, collect_missing, reconcile, selected
from tests.fuzz.campaign import Campaign, note
from tests.fuzz.corpus import CONFIG, ENVIRON, NOW, PASSWORD, SECRETS, rich
from tests.fuzz.hostile import Hostile
from tests.fuzz.workbench import Broken, check_invariants
from tests.support.simulated_iacm import Harness
from tests.support.simulated_iacm_site import HARNESS_KEY
from tests.support.site import GUID, clean_environ

UNNAMED = tuple(secret for secret in SECRETS if secret != PASSWORD)
"""Known by their look. Whether a parameter is a secret by its name, a hostile answer may change."""

TURN_SECONDS = 30.0
"""Of the clock for one poll, backfill, or other piece of work: all of its timeouts together."""

HOUR_MS = 3_600_000
GOOD = "/job/good/"
"""The job whose answers stay good: it must be collected whatever happens beside it."""


@dataclass
class Site:
    """The servers, with the program's files in ``directory``."""

    directory: Path
    jenkins: Hostile
    sei: Hostile
    harness: Hostile
    received: Sei
    now: int = NOW + HOUR_MS
    began: float = field(default_factory=time.monotonic)
    outputs: list[str] = field(default_factory=list)

    @property
    def all(self) -> tuple[Hostile, ...]:
        """Every server."""
        return self.jenkins, self.sei, self.harness

    @property
    def inputs(self) -> int:
        """Hostile answers given so far."""
        return sum(one.inputs for one in self.all)

    def hostile(self, share: float) -> None:
        """How many of the answers are from now on."""
        for server in self.all:
            server.share = share

    def clock(self) -> int:
        """It goes on, as work waits for it; put-off jobs are due again in the next round."""
        return self.now + int(1000 * (time.monotonic() - self.began))

    def configure(self) -> Path:
        """Write the config."""
        text = CONFIG.replace("https://jenkins.test/", self.jenkins.url)
        text = text.replace("https://sei.test/", self.sei.url)
        text = text.replace("https://harness.test/", self.harness.url)
        text = text.replace('timeout = "2s"', 'timeout = "2s"\nmax_connections = 4')
        path = self.directory / "poller.toml"
        path.write_text(f'{text}\n[ledger]\npath = "{self.directory / "ledger.db"}"\n')
        return path


@contextlib.contextmanager
def site(directory: Path, seed: int) -> Any:
    """Three servers that can be made hostile."""
    jenkins, sei, harness = Jenkins(clock=lambda: NOW), Sei(guids={GUID}), Harness(HARNESS_KEY)
    rich(jenkins)
    with (
        Hostile(jenkins.app, seed, lambda path: path.startswith(GOOD)) as one,
        Hostile(sei.app, seed + 1) as two,
        Hostile(harness.app, seed + 2) as three,
    ):
        yield Site(directory, one, two, three, sei)


def run(directory: Path, inputs: int, seed: int, commands: int = 3) -> Campaign:
    """Work against hostile servers until they gave ``inputs`` hostile answers; then in peace."""
    found = Campaign()
    began = time.monotonic()
    with site(directory, seed) as here:
        config = here.configure()
        settings = load(config, ENVIRON)

        async def work() -> None:
            async with open_context(settings, ENVIRON, clock=here.clock) as line:
                turn = 0
                while here.inputs < inputs and not found.findings:
                    here.hostile(0.4 if turn % 3 else 0.1)
                    here.now += HOUR_MS
                    for piece in PIECES:
                        await _guarded(found, here, piece, line)
                    turn += 1
                here.hostile(0.0)
                for _ in range(3):
                    here.now += HOUR_MS
                    await _guarded(found, here, _poll, line)
                    await _guarded(found, here, _deliver, line)

        asyncio.run(work())
        note(found, "ledger", b"", lambda: check_invariants(directory / "ledger.db"))
        note(found, "good", b"", lambda: good_is_whole(here))
        here.hostile(0.3)
        for command in COMMANDS[:commands]:
            note(found, "command", b"", lambda command=command: _command(here, config, command))  # type: ignore[misc]
        note(found, "ledger", b"", lambda: no_secret_in(directory / "ledger.db"))
        found.inputs["over HTTP"] = here.inputs
    found.seconds = time.monotonic() - began
    return found


async def _guarded(
    found: Campaign,
    here: Site,
    piece: Callable[[Site, AppContext], Coroutine[Any, Any, None]],
    line: AppContext,
) -> None:
    """One piece of work: it ends in time, and raises nothing but an error of ours."""
    failure: BaseException | None = None
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await piece(here, line)
    except PollerError as error:
        here.outputs.append(f"{error} {error.hint}")
    except Exception as error:
        failure = error

    def tell() -> None:
        if failure is not None:
            raise failure
        for text in here.outputs:
            if any(secret in text for secret in UNNAMED):
                raise Broken(f"a secret: {text[:300]}")
        here.outputs.clear()

    note(found, piece.__name__, b"", tell)


async def _poll(here: Site, line: AppContext) -> None:
    cycle = await poll(line.controllers[0])
    here.outputs += [*cycle.problems, str(cycle.error)]


async def _deliver(here: Site, line: AppContext) -> None:
    drains = await flush_all(line.senders)
    here.outputs += [f"{one.stopped} {one.last_failure} {one.hint}" for one in drains.values()]


async def _backfill(here: Site, line: AppContext) -> None:
    window, every = Window(0, here.now), Globs(["**"])
    one = line.controllers[0]
    found = await estimate(one, window, every)
    done = await backfill(one, window, every)
    here.outputs += [*found.problems, *done.problems]


async def _reconcile(here: Site, line: AppContext) -> None:
    one = line.controllers[0]
    pace = RateLimit(None, asyncio.get_running_loop().time)
    jobs = reconcile(
        one, selected(one, Globs(["**"])), 0, pace,
        lambda finding: here.outputs.append(finding.why),
    )  # fmt: skip
    async for checked in jobs:
        here.outputs.append(checked.problem or "")
        if checked.problem is None:
            await collect_missing(one, checked, 0)


async def _iacm(here: Site, line: AppContext) -> None:
    def note(_name: str, found: Difference) -> None:
        here.outputs.append(found.why)

    comparison = Comparison(None, Globs(["**"]), repair=True, rate=5, on_difference=note)
    done = await reconcile_iacm(line, line.controllers, comparison)
    here.outputs += [*done.problems, *map(str, done.errors)]


async def _preview(here: Site, line: AppContext) -> None:
    found = await preview(line.controllers, "team/app", 2, None)
    here.outputs += [found.body.decode(), *found.incomplete]


async def _check(here: Site, _line: AppContext) -> None:
    path = here.directory / "poller.toml"
    found = await asyncio.to_thread(check_file, path, ENVIRON, here.clock)
    here.outputs += [one.text() for one in found]


PIECES = (_poll, _deliver, _backfill, _reconcile, _iacm, _preview, _check)
COMMANDS = (
    ("once",), ("check",), ("reconcile", "--repair"), ("backfill", "--since", "all"),
    ("preview", "team/app", "1"), ("executions", "list"), ("logs", "team/app", "4", "--follow"),
    ("retry", "--all"), ("backfill", "--since", "all", "--dry-run"), ("status",),
)  # fmt: skip


def _command(here: Site, config: Path, command: tuple[str, ...]) -> None:
    """A command as a process: it ends by itself, with no traceback and no secret."""
    with subprocess.Popen(
        [sys.executable, "-m", "poller", "--config", str(config), *command],
        env={**clean_environ(), **ENVIRON, "PYTHONPATH": os.getcwd()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            out, err = process.communicate(timeout=4 * TURN_SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            raise Broken(f"{' '.join(command)} never ended") from None
    text = (out + err).decode("utf-8", "replace")
    if "Traceback" in text or process.returncode not in (0, 1, 65, 69, 75):
        raise Broken(f"{' '.join(command)} ended with {process.returncode}: {text[-2_000:]}")
    if any(secret in text for secret in UNNAMED):
        raise Broken(f"{' '.join(command)} shows a secret")


def good_is_whole(here: Site) -> None:
    """Every build of the good job is with SEI, under one execution id."""
    runs = [run for run in here.received.received if run["job_full_name"] == "good"]
    numbers = {run["start_time"] for run in runs}
    if len(numbers) < 3:
        raise Broken(f"of the good job's 3 builds, SEI has {len(numbers)}")


def no_secret_in(ledger: Path) -> None:
    """None in anything that the ledger keeps."""
    conn = sqlite3.connect(ledger)
    try:
        tables = conn.execute(
            "select name from sqlite_schema where type = 'table' and name not like '%log_words%'"
        ).fetchall()
        for (table,) in tables:
            for row in conn.execute(f"select * from {table}"):
                for secret in UNNAMED:
                    if any(secret in _text(value) for value in row):
                        raise Broken(f"a secret in the table {table}")
    finally:
        conn.close()


def _text(value: object) -> str:
    return zlib.decompress(value).decode() if isinstance(value, bytes) else str(value)
