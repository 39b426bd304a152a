"""`check`: what is set up right and what is not, one line each, with the cure.

Safe beside a running service: each server is asked a handful of small questions, the ledger is
looked at and not written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from poller.check import disk, harness, jenkins, rules, sei
from poller.check.exposed import exposed
from poller.check.finding import CONFIG, CONFIG_CODE, Finding, exit_code
from poller.check.jenkins import Seen
from poller.config import load
from poller.errors import ConfigError
from poller.settings import Settings

__all__ = ["Finding", "check", "check_file", "exit_code"]


def check_file(path: Path, environ: Mapping[str, str], clock: Callable[[], int]) -> list[Finding]:
    """The config, and all that it names."""
    try:
        settings = load(path, environ)
    except ConfigError as error:
        return [Finding("wrong", CONFIG, why, error.hint, CONFIG_CODE) for why in error.findings]
    seen = [of_config(path, settings), *exposed(path, settings, environ)]
    return seen + asyncio.run(check(settings, environ, clock))


async def check(
    settings: Settings, environ: Mapping[str, str], clock: Callable[[], int]
) -> list[Finding]:
    """Look at everything. ``clock`` gives epoch milliseconds."""
    seen = await asyncio.gather(
        *(_or_config(jenkins.controller(one, environ, clock())) for one in settings.controllers)
    )
    findings = [disk.ledger(Path(settings.ledger.path))]
    for one in seen:
        findings += one.findings
    if settings.sei is not None:
        findings += (await _or_config(_sei(settings, environ, clock()))).findings
    if settings.harness is not None:
        findings += (await _or_config(_harness(settings, environ, clock()))).findings
    return findings + _rules(settings, seen)


def of_config(path: Path, settings: Settings) -> Finding:
    """That the config is good, and what it is about."""
    sinks = settings.sink_names
    count = len(settings.controllers)
    saw = f"{path}: {count} controller{'s' * (count > 1)}, sends to {' and '.join(sinks)}"
    return Finding("ok", CONFIG, saw)


async def _sei(settings: Settings, environ: Mapping[str, str], now: int) -> Seen:
    assert settings.sei is not None  # noqa: S101 - for the type checker
    return Seen(await sei.sei(settings.sei, settings.controllers, environ, now))


async def _harness(settings: Settings, environ: Mapping[str, str], now: int) -> Seen:
    assert settings.harness is not None  # noqa: S101 - for the type checker
    return Seen(await harness.harness(settings.harness, settings.rules, environ, now))


async def _or_config(look: Coroutine[Any, Any, Seen]) -> Seen:
    """What was seen, or that the config does not let us look."""
    try:
        return await look
    except ConfigError as error:
        return Seen(
            [Finding("wrong", CONFIG, why, error.hint, CONFIG_CODE) for why in error.findings]
        )


def _rules(settings: Settings, seen: list[Seen]) -> list[Finding]:
    """Only known when the jobs of every controller are."""
    names: set[str] = set()
    for one in seen:
        if one.jobs is None:
            return []
        names.update(one.jobs)
    return rules.rules([rule.match for rule in settings.rules], names) + rules.extracts(
        [extract.match for extract in settings.extract], names
    )
