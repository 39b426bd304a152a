"""`check`: what is set up right and what is not, one line each, with the cure.

Safe beside a running service: each server is asked a handful of small questions, the ledger is
looked at and not written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from pathlib import Path

from poller.actions.check import files, iacm, jenkins, rules, sei, service
from poller.actions.check.finding import CONFIG, CheckResult, not_usable, ok
from poller.config.load import load
from poller.config.settings import Settings
from poller.core.errors import ConfigError
from poller.core.times import Clock


def check_file(path: Path, environ: Mapping[str, str], clock: Clock) -> list[CheckResult]:
    """The config, and all that it names."""
    try:
        settings = load(path, environ)
    except ConfigError as error:
        return not_usable(error)
    count = len(settings.controllers)
    sinks = " and ".join(settings.sink_names)
    return [
        ok(CONFIG, f"{path}: {count} controller{'s' * (count > 1)}, sends to {sinks}"),
        *files.exposed(path, settings, environ),
        *service.as_service(path, settings),
        *service.foreign(Path(settings.ledger.path)),
        *service.public_page(settings.status),
        *asyncio.run(check(settings, environ, clock())),
    ]


async def check(settings: Settings, environ: Mapping[str, str], now: int) -> list[CheckResult]:
    """Look at everything. ``now`` is epoch milliseconds."""
    jobs: dict[str, list[str]] = {}
    controllers = await asyncio.gather(
        *(_caught(jenkins.controller(one, environ, now, jobs)) for one in settings.controllers)
    )
    results = [files.ledger(Path(settings.ledger.path)), *(one for of in controllers for one in of)]
    if settings.jsonl is not None:
        results += files.jsonl(Path(settings.jsonl.path))
    if settings.sei is not None:
        results += await _caught(sei.sei(settings.sei, settings.controllers, environ, now))
    if settings.harness is not None:
        results += await _caught(iacm.harness(settings.harness, settings.rules, environ, now))
    if len(jobs) == len(settings.controllers):
        names = {name for some in jobs.values() for name in some}
        results += rules.rules(settings.rules, names)
        results += rules.extracts([extract.match for extract in settings.extract], names)
    return results


async def _caught(results: Awaitable[list[CheckResult]]) -> list[CheckResult]:
    """The results, or that the config does not let us look."""
    try:
        return await results
    except ConfigError as error:
        return not_usable(error)
