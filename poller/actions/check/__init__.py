"""`check`: what is set up right and what is not, one line each, with the cure.

Safe beside a running service: each server is asked a handful of small questions, the ledger is
looked at and not written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from poller.actions.check import files, iacm, jenkins, rules, sei
from poller.actions.check.files import exposed
from poller.actions.check.finding import CONFIG, CONFIG_CODE, CheckResult
from poller.actions.check.jenkins import ControllerCheck
from poller.config.load import load
from poller.config.settings import Settings
from poller.core.errors import ConfigError

__all__ = ["Finding", "check", "check_file", "exit_code"]


def check_file(
    path: Path, environ: Mapping[str, str], clock: Callable[[], int]
) -> list[CheckResult]:
    """The config, and all that it names."""
    try:
        settings = load(path, environ)
    except ConfigError as error:
        return [
            CheckResult("wrong", CONFIG, why, error.hint, CONFIG_CODE) for why in error.findings
        ]
    seen = [of_config(path, settings), *exposed(path, settings, environ)]
    return seen + asyncio.run(check(settings, environ, clock))


async def check(
    settings: Settings, environ: Mapping[str, str], clock: Callable[[], int]
) -> list[CheckResult]:
    """Look at everything. ``clock`` gives epoch milliseconds."""
    seen = await asyncio.gather(
        *(_or_config(jenkins.controller(one, environ, clock())) for one in settings.controllers)
    )
    findings = [files.ledger(Path(settings.ledger.path))]
    for one in seen:
        findings += one.findings
    if settings.sei is not None:
        findings += (await _or_config(_sei(settings, environ, clock()))).findings
    if settings.harness is not None:
        findings += (await _or_config(_harness(settings, environ, clock()))).findings
    return findings + _rules(settings, seen)


def of_config(path: Path, settings: Settings) -> CheckResult:
    """That the config is good, and what it is about."""
    sinks = settings.sink_names
    count = len(settings.controllers)
    saw = f"{path}: {count} controller{'s' * (count > 1)}, sends to {' and '.join(sinks)}"
    return CheckResult("ok", CONFIG, saw)


async def _sei(settings: Settings, environ: Mapping[str, str], now: int) -> ControllerCheck:
    assert settings.sei is not None  # noqa: S101 - for the type checker
    return ControllerCheck(await sei.sei(settings.sei, settings.controllers, environ, now))


async def _harness(settings: Settings, environ: Mapping[str, str], now: int) -> ControllerCheck:
    assert settings.harness is not None  # noqa: S101 - for the type checker
    return ControllerCheck(await iacm.harness(settings.harness, settings.rules, environ, now))


async def _or_config(look: Coroutine[Any, Any, ControllerCheck]) -> ControllerCheck:
    """What was seen, or that the config does not let us look."""
    try:
        return await look
    except ConfigError as error:
        return ControllerCheck(
            [CheckResult("wrong", CONFIG, why, error.hint, CONFIG_CODE) for why in error.findings]
        )


def _rules(settings: Settings, seen: list[ControllerCheck]) -> list[CheckResult]:
    """Only known when the jobs of every controller are."""
    names: set[str] = set()
    for one in seen:
        if one.jobs is None:
            return []
        names.update(one.jobs)
    return rules.rules([rule.match for rule in settings.rules], names) + rules.extracts(
        [extract.match for extract in settings.extract], names
    )
