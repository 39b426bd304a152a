"""Harness: the way there, its API key, organization and project, and rules that use it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from poller.actions.check.finding import (
    UNAVAILABLE,
    CheckResult,
    exit_code,
    ok,
    unavailable,
    warning,
)
from poller.actions.check.network import reach
from poller.config.rules import Rule
from poller.config.servers import HarnessConfig
from poller.context import iacm_client
from poller.core.errors import RemoteError
from poller.delivery.iacm_client import WHERE


async def harness(
    settings: HarnessConfig, rules: tuple[Rule, ...], environ: Mapping[str, str], now: int
) -> list[CheckResult]:
    """Look at Harness. Raises ConfigError when the API key or CA bundle can't be read."""
    results = (await reach(WHERE, settings, environ, now)).results
    if exit_code(results) != UNAVAILABLE:
        results.append(await executions(settings, environ))
    if not any(rule.iacm_workspace for rule in rules):
        saw = "no rule names an iacm_workspace, so nothing is recorded"
        cure = 'add iacm_workspace = "…" to the [[rules]] of jobs that run Terraform'
        results.append(warning(WHERE, saw, cure))
    return results


async def executions(settings: HarnessConfig, environ: Mapping[str, str]) -> CheckResult:
    """Whether IaCM lists the project's executions for the key. Raises ConfigError."""
    place = f"{settings.org}/{settings.project}"
    async with contextlib.aclosing(iacm_client(settings, environ)) as client:
        try:
            await client.page({}, 1, 1)
        except RemoteError as error:
            return unavailable(WHERE, str(error), error.hint)
    return ok(WHERE, f"API key accepted, executions of {place} can be read")
