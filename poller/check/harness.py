"""Harness: the way there, its API key, organization and project, and rules that use it."""

from __future__ import annotations

from collections.abc import Mapping

from poller.check.finding import UNAVAILABLE, Finding
from poller.check.network import reach
from poller.errors import RemoteError
from poller.harness.api import WHERE
from poller.rule_settings import Rule
from poller.servers import Harness
from poller.wiring import connection, harness_api


async def harness(
    settings: Harness, rules: tuple[Rule, ...], environ: Mapping[str, str], now: int
) -> list[Finding]:
    """Look at Harness. Raises ConfigError when the API key or CA bundle can't be read."""
    findings = (await reach(WHERE, connection(settings), now)).findings
    if not any(one.code == UNAVAILABLE for one in findings if one.state == "wrong"):
        findings.append(await executions(settings, environ))
    if not any(rule.iacm_workspace for rule in rules):
        findings.append(
            Finding(
                "warning", WHERE, "no rule names an iacm_workspace, so nothing is recorded",
                'add iacm_workspace = "…" to the [[rules]] of jobs that run Terraform',
            )
        )  # fmt: skip
    return findings


async def executions(settings: Harness, environ: Mapping[str, str]) -> Finding:
    """Whether IaCM lists the project's executions for the key. Raises ConfigError."""
    place = f"{settings.org}/{settings.project}"
    api = harness_api(settings, environ)
    try:
        await api.page({}, 1, 1)
    except RemoteError as error:
        return Finding("wrong", WHERE, str(error), error.hint, UNAVAILABLE)
    finally:
        await api.aclose()
    return Finding("ok", WHERE, f"API key accepted, executions of {place} can be read")
