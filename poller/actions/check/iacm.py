"""Harness: the way there, its API key, organization and project, and rules that use it."""

from __future__ import annotations

from collections.abc import Mapping

from poller.actions.check.finding import UNAVAILABLE, CheckResult
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
    findings = (await reach(WHERE, settings, now)).findings
    if not any(one.code == UNAVAILABLE for one in findings if one.state == "wrong"):
        findings.append(await executions(settings, environ))
    if not any(rule.iacm_workspace for rule in rules):
        findings.append(
            CheckResult(
                "warning", WHERE, "no rule names an iacm_workspace, so nothing is recorded",
                'add iacm_workspace = "…" to the [[rules]] of jobs that run Terraform',
            )
        )  # fmt: skip
    return findings


async def executions(settings: HarnessConfig, environ: Mapping[str, str]) -> CheckResult:
    """Whether IaCM lists the project's executions for the key. Raises ConfigError."""
    place = f"{settings.org}/{settings.project}"
    api = iacm_client(settings, environ)
    try:
        await api.page({}, 1, 1)
    except RemoteError as error:
        return CheckResult("wrong", WHERE, str(error), error.hint, UNAVAILABLE)
    finally:
        await api.aclose()
    return CheckResult("ok", WHERE, f"API key accepted, executions of {place} can be read")
