"""A controller: version, user and rights, the jobs it shows, what runs, stage trees."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from poller.actions.check.finding import UNAVAILABLE, WRONG, CheckResult
from poller.actions.check.network import Reached, reach
from poller.actions.login import whoami
from poller.config.secrets import read_secret
from poller.config.servers import ControllerConfig
from poller.context import connection_to
from poller.core.errors import BadAnswer, NotFound, RemoteError, Unauthorized
from poller.core.known_secrets import mask
from poller.core.patterns import Globs, matches
from poller.jenkins.client import JenkinsClient
from poller.jenkins.discovery import ItemTree, fetch_items
from poller.jenkins.request_limiter import RequestLimiter

PIPELINE_JOB = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
MOST_UNREAD = 5
REFUSED = "make an API token for that user in Jenkins (user menu, Security) and put it there"
SIGHT = "give the user Overall/Read"


@dataclass
class ControllerCheck:
    """What was found, and the names of the watched jobs; None where they could not be seen."""

    findings: list[CheckResult] = field(default_factory=list)
    jobs: list[str] | None = None


async def controller(
    settings: ControllerConfig, environ: Mapping[str, str], now: int
) -> ControllerCheck:
    """Look at one controller; it is asked a handful of small questions. ``now`` is epoch ms.

    Raises ConfigError when its token or CA bundle can't be read.
    """
    where = f"controller {settings.name}"
    token = read_secret(settings, environ).get_secret_value()
    reached = await reach(where, settings, now)
    seen = ControllerCheck(reached.findings + answers(where, reached))
    if any(finding.state == "wrong" for finding in seen.findings):
        return seen
    api = JenkinsClient(
        settings.name,
        connection_to(settings),
        settings.user,
        token,
        RequestLimiter(where, settings.max_connections, request_rate=settings.request_rate),
    )
    try:
        seen.findings += await login(api, settings, token)
        if not any(finding.state == "wrong" for finding in seen.findings):
            look = await fetch_items(api, None, first=False)
            globs = Globs(settings.include, settings.exclude)
            seen.jobs = [name for name in look.items if globs.selects(name)]
            seen.findings += jobs(settings, look, len(seen.jobs))
            seen.findings.append(await _running(api))
            seen.findings.append(await _stages(api, look, seen.jobs))
    except RemoteError as error:
        seen.findings.append(_unreached(where, error))
    finally:
        await api.aclose()
    return seen


def answers(where: str, reached: Reached) -> list[CheckResult]:
    """Whether what answered is Jenkins; nothing where nothing did."""
    if reached.status is None:
        return []
    version = mask(reached.headers.get("X-Jenkins", ""))[:40]
    if version:
        return [CheckResult("ok", where, f"Jenkins {version}")]
    if 300 <= reached.status < 400:
        target = mask(reached.headers.get("Location", ""))[:200]
        return [
            CheckResult(
                "wrong", where, f"HTTP {reached.status} sends us to {target}, not followed",
                "set the url to the final address, with its context path", code=UNAVAILABLE,
            )
        ]  # fmt: skip
    if reached.status >= 500:
        return [
            CheckResult(
                "wrong", where, f"HTTP {reached.status}: is it starting, or down behind a proxy?",
                "try again in a minute", code=UNAVAILABLE,
            )
        ]  # fmt: skip
    return [CheckResult("warning", where, "no X-Jenkins header", "is it Jenkins' own url?")]


async def login(api: JenkinsClient, settings: ControllerConfig, token: str) -> list[CheckResult]:
    """User, token and Overall/Read. Raises RemoteError for what is no question of rights."""
    try:
        user = await asyncio.to_thread(
            whoami, api.where, connection_to(settings), settings.user, token
        )
        await api.headers()
    except Unauthorized as error:
        if error.status == 403:
            return [
                CheckResult(
                    "wrong", api.where, f"HTTP 403: user {settings.user} may not look inside",
                    "give the user Overall/Read and Job/Read", code=UNAVAILABLE,
                )
            ]  # fmt: skip
        return [
            CheckResult(
                "wrong", api.where, f"HTTP {error.status}: user {settings.user} or its token"
                " is refused", REFUSED, code=UNAVAILABLE,
            )
        ]  # fmt: skip
    return [CheckResult("ok", api.where, f"user {user}, token accepted, Overall/Read")]


def jobs(settings: ControllerConfig, look: ItemTree, selected: int) -> list[CheckResult]:
    """How many jobs there are to watch, the globs that match none, and the folders not readable."""
    where, names = f"controller {settings.name}", list(look.items)
    saw = f"{selected} of {len(names)} jobs to watch"
    if selected:
        findings = [CheckResult("ok", where, saw)]
    elif names:
        cure = "do include and exclude leave any? they are globs over fullName"
        findings = [CheckResult("wrong", where, saw, cure)]
    else:
        cure = "give the user Job/Read; is there a job at all?"
        findings = [CheckResult("wrong", where, "the user sees no job", cure)]
    for key, globs in (("include", settings.include), ("exclude", settings.exclude)):
        findings += [
            CheckResult("warning", where, f"{key} {glob!r} matches no job", "is it as in fullName?")
            for glob in globs
            if names and not any(matches(name, glob) for name in names)
        ]
    findings += [
        CheckResult("warning", where, f"not readable: {why}", "give the user Job/Read there")
        for why in list(look.unread.values())[:MOST_UNREAD]
    ]
    if (more := len(look.unread) - MOST_UNREAD) > 0:
        findings.append(CheckResult("warning", where, f"{more} more folders are not readable"))
    if look.malformed:
        saw = f"{look.malformed} items are not as Jenkins exports them, and left out"
        findings.append(CheckResult("warning", where, saw))
    return findings


async def _running(api: JenkinsClient) -> CheckResult:
    try:
        await api.running()
    except RemoteError as error:
        return CheckResult(
            "warning", api.where, f"can't see which builds run ({error})",
            f"a job with a build in flight costs a request a poll; {SIGHT}",
        )  # fmt: skip
    return CheckResult("ok", api.where, "sees which builds run")


async def _stages(api: JenkinsClient, look: ItemTree, watched: Iterable[str]) -> CheckResult:
    """Ask for one stage tree of a pipeline that has builds, to see that wfapi is there."""
    for name in watched:
        item = look.items[name]
        if item.cls != PIPELINE_JOB or item.next_build_number <= 1:
            continue
        try:
            builds = await api.builds(name, 1)
            if not builds:
                continue
            await api.stage_tree(name, builds[0].number)
        except NotFound:
            cure = "install the plugin Pipeline: REST API (pipeline-rest-api); runs have no stages"
            return CheckResult("warning", api.where, "no stage trees (wfapi)", cure)
        except RemoteError as error:
            return CheckResult("wrong", api.where, _message(api.where, error), error.hint)
        return CheckResult("ok", api.where, "stage trees (wfapi)")
    return CheckResult("ok", api.where, "no pipeline with builds: stage trees (wfapi) not tried")


def _unreached(where: str, error: RemoteError) -> CheckResult:
    code = WRONG if isinstance(error, BadAnswer) else UNAVAILABLE
    return CheckResult("wrong", where, _message(where, error), error.hint, code)


def _message(where: str, error: RemoteError) -> str:
    return str(error).removeprefix(f"{where}: ")
