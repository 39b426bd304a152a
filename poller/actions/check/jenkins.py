"""A controller: version, user and rights, the jobs it shows, what runs, stage trees."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from poller.actions.check.address import not_here
from poller.actions.check.finding import (
    UNAVAILABLE,
    WRONG,
    CheckResult,
    exit_code,
    ok,
    unavailable,
    warning,
    wrong,
)
from poller.actions.check.network import Reached, reach
from poller.actions.login import whoami
from poller.config.secrets import read_secret
from poller.config.servers import ControllerConfig
from poller.context import connection_to
from poller.core.errors import BadAnswer, NotFound, RemoteError, Unauthorized
from poller.core.known_secrets import mask
from poller.core.patterns import Globs, matches
from poller.core.urls import is_loopback
from poller.http.front_door import door_page, redirect_hint
from poller.jenkins.build_pages import newest_builds
from poller.jenkins.client import JenkinsClient
from poller.jenkins.discovery import PIPELINE_JOB, WITH_MODULES, fetch_items
from poller.jenkins.item import ItemTree
from poller.jenkins.request_limiter import RequestLimiter
from poller.jenkins.stage import StageTree
from poller.jenkins.stages.graph_view import GraphView
from poller.polling.extras.stage_trees import AUTO, TRIED, StageTrees

API_TOKEN = re.compile(r"(11)?[0-9a-f]{32}")
"""As Jenkins makes them; without the 11 before 2.129. A password works, too, until it is changed,
and each request asks the directory of users."""

NOT_FOUND = 404
MOST_UNREAD = 5
REFUSED = "make an API token for that user in Jenkins (user menu, Security) and put it there"
NO_JOB, NO_JOB_CURE = "the user sees no job", "give the user Job/Read; is there a job at all?"
SIGHT = "give the user Overall/Read"


async def controller(
    settings: ControllerConfig, environ: Mapping[str, str], now: int, jobs: dict[str, list[str]]
) -> list[CheckResult]:
    """Look at one controller; it is asked a handful of small questions. ``now`` is epoch ms. The
    names of the jobs that it watches go into ``jobs``, where they can be seen.

    Raises ConfigError when its token or CA bundle can't be read.
    """
    where = f"controller {settings.name}"
    token = read_secret(settings, environ).get_secret_value()
    reached = await reach(where, settings, environ, now)
    if reached.status == NOT_FOUND:
        return [*reached.results, await not_here(where, settings, environ)]
    results = reached.results + answers(where, reached)
    if exit_code(results):
        return results
    limiter = RequestLimiter(where, settings.max_connections, request_rate=settings.request_rate)
    connection = connection_to(settings, environ)
    client = JenkinsClient(settings.name, connection, settings.user, token, limiter)
    async with contextlib.aclosing(client):
        try:
            results += await login(client, settings, token, environ)
            if not exit_code(results):
                tree = await fetch_items(client, None, first=False)
                globs = Globs(settings.include, settings.exclude)
                watched = jobs[settings.name] = [name for name in tree.items if globs.selects(name)]
                results += _jobs(settings, tree, len(watched))
                results += await _root_url(client, settings)
                results.append(await _running(client))
                results.append(await _stages(client, settings.stages, tree, watched))
        except RemoteError as error:
            code = WRONG if isinstance(error, BadAnswer) else UNAVAILABLE
            results.append(wrong(where, _message(where, error), error.hint, code))
    return results


def answers(where: str, reached: Reached) -> list[CheckResult]:
    """Whether what answered is Jenkins; nothing where nothing did."""
    if reached.status is None:
        return []
    version = mask(reached.headers.get("X-Jenkins", ""))[:40]
    if version:
        return [ok(where, f"Jenkins {version}")]
    if 300 <= reached.status < 400:
        target = mask(reached.headers.get("Location", ""))[:200]
        saw = f"HTTP {reached.status} sends us to {target}, not followed"
        return [unavailable(where, saw, redirect_hint(target))]
    if page := door_page(reached.status, reached.headers, reached.body):
        return [unavailable(where, f"HTTP {reached.status}, {page.saw}", page.hint)]
    if reached.status >= 500:
        saw = f"HTTP {reached.status}: is it starting, or down behind a proxy?"
        return [unavailable(where, saw, "try again in a minute")]
    return [warning(where, "no X-Jenkins header", "is it Jenkins' own url?")]


async def login(
    client: JenkinsClient, settings: ControllerConfig, token: str, environ: Mapping[str, str]
) -> list[CheckResult]:
    """User, token and Overall/Read. Raises RemoteError for what is no question of rights."""
    where, name = client.where, settings.user
    try:
        connection = connection_to(settings, environ)
        user = await asyncio.to_thread(whoami, where, connection, name, token)
        await client.headers()
    except Unauthorized as error:
        if error.status == 403:
            saw = f"HTTP 403: user {name} may not look inside"
            return [unavailable(where, saw, "give the user Overall/Read and Job/Read")]
        saw = f"HTTP {error.status}: user {name} or its token is refused"
        return [unavailable(where, saw, REFUSED)]
    except NotFound:
        return [await not_here(where, settings, environ)]
    results = [ok(where, f"user {user}, token accepted, Overall/Read")]
    if user.casefold() != name.casefold():
        results.append(warning(where, f"Jenkins takes {name} for {user}", "is it the right token?"))
    if not API_TOKEN.fullmatch(token):
        saw = "the token has not the form of an API token (34 digits and letters): a password?"
        results.append(warning(where, saw, REFUSED))
    return results


def _jobs(settings: ControllerConfig, tree: ItemTree, selected: int) -> list[CheckResult]:
    """How many jobs there are to watch, the globs that match none, and the folders not readable."""
    where, names = f"controller {settings.name}", list(tree.items)
    saw = f"{selected} of {len(names)} jobs to watch"
    if selected:
        results = [ok(where, saw)]
    elif names:
        cure = "do include and exclude leave any? they are globs over fullName"
        results = [wrong(where, saw, cure)]
    else:
        results = [wrong(where, NO_JOB, NO_JOB_CURE)]
    for key, globs in (("include", settings.include), ("exclude", settings.exclude)):
        results += [
            warning(where, f"{key} {glob!r} matches no job", "is it as in fullName?")
            for glob in globs
            if names and not any(matches(name, glob) for name in names)
        ]
    results += [
        warning(where, f"not readable: {why}", "give the user Job/Read there")
        for why in list(tree.unread.values())[:MOST_UNREAD]
    ]
    if (more := len(tree.unread) - MOST_UNREAD) > 0:
        results.append(warning(where, f"{more} more folders are not readable"))
    with_modules = sum(item.cls in WITH_MODULES for item in tree.items.values())
    if with_modules and not settings.modules:
        saw = f"{with_modules} Maven or matrix jobs: their modules are sent where modules = true"
        results.append(ok(where, saw))
    if tree.malformed:
        saw = f"{tree.malformed} items are not as Jenkins exports them, and left out"
        results.append(warning(where, saw))
    return results


async def _root_url(client: JenkinsClient, settings: ControllerConfig) -> list[CheckResult]:
    """Whether Jenkins believes in another address than SEI's users are given."""
    answer = await client.items("", "url")
    own = answer.get("url") if isinstance(answer, dict) else None
    public = settings.effective_instance_url
    if not isinstance(own, str) or own.rstrip("/") == public.rstrip("/"):
        return []
    saw = f"Jenkins calls itself {mask(own)[:200]}"
    if settings.instance_url is not None:
        return [ok(client.where, f"{saw}; addresses begin with instance_url")]
    if _of_this_machine(own) and not _of_this_machine(public):
        cure = "set instance_url to what SEI's users can open, or Jenkins URL in Jenkins"
        return [warning(client.where, f"{saw}, and so does web_url", cure)]
    return [ok(client.where, f"{saw}; web_url begins with that")]


def _of_this_machine(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


async def _running(client: JenkinsClient) -> CheckResult:
    try:
        await client.running()
    except RemoteError as error:
        cure = f"a job with a build in flight costs a request a poll; {SIGHT}"
        return warning(client.where, f"can't see which builds run ({error})", cure)
    return ok(client.where, "sees which builds run")


async def _stages(
    client: JenkinsClient, setting: str, tree: ItemTree, watched: Iterable[str]
) -> CheckResult:
    """Ask for one stage tree of a pipeline that has builds, to see which plugin gives it."""
    where, trees = client.where, StageTrees(client, setting)
    for name in watched:
        item = tree.items[name]
        if not trees.sources:
            return ok(where, "stages are not asked for: stages = none")
        if item.cls != PIPELINE_JOB or item.next_build_number <= 1:
            continue
        try:
            builds = (await newest_builds(client, name, TRIED)).builds
            build = next((build for build in builds if build.completed), None)
            found = (
                {}
                if build is None
                else await trees.of(name, [build], [one.number for one in builds])
            )
        except RemoteError as error:
            return wrong(where, _message(where, error), error.hint)
        for one in found.values():
            if isinstance(one, RemoteError):
                return wrong(where, _message(where, one), one.hint)
            if isinstance(one, StageTree):
                return ok(where, f"stage trees ({one.source})")
            return _no_stages(where, setting, trees, one)
    return ok(where, "no pipeline with a completed build: stage trees not tried")


def _no_stages(where: str, setting: str, trees: StageTrees, why: str) -> CheckResult:
    """Wrong where no build will have any: then ``stages = "none"`` says that this is meant."""
    saw = f"no stage trees ({why.removeprefix('stages: ')})"
    if setting == AUTO and len(trees.absent) < len(trees.sources):
        return warning(where, saw, "is it only this build?")
    if setting == AUTO:
        cure = f'install the plugin {GraphView.plugin}, or stages = "none": runs without stages'
        return wrong(where, saw, cure)
    return wrong(where, saw, f"install the plugin {trees.sources[0].plugin}, or stages = {AUTO}")


def _message(where: str, error: RemoteError) -> str:
    return str(error).removeprefix(f"{where}: ")
