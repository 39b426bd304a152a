"""Jenkins' own address: what people paste is mostly that of one of its pages."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from poller.actions.check.finding import CheckResult, unavailable
from poller.config.servers import ControllerConfig
from poller.context import connection_to
from poller.core.errors import BadAnswer, ConfigError, RemoteError
from poller.http.client import fetch, open_client

PAGES = frozenset(
    ("api", "asynchPeople", "blue", "builds", "computer", "configure", "job", "login", "logout",
     "manage", "me", "queue", "script", "securityRealm", "user", "view", "whoAmI")
)  # fmt: skip
"""What pages of Jenkins begin with, below its own address."""

USUAL = "jenkins"
"""The context path that most have, where there is one."""

LOGIN_LIMIT = 256 * 1024


def without_question(address: str) -> str:
    """What was pasted, without what is never a part of Jenkins' own address. Pure."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return address
    before, answer, _ = parts.path.partition("/api/json")
    path = f"{before}/" if answer else before
    return urlunsplit(parts._replace(path=path, query="", fragment=""))


def candidates(url: str) -> list[str]:
    """The addresses that may be Jenkins' own, the most probable first. Pure."""
    parts = urlsplit(url)
    segments = [segment for segment in parts.path.split("/") if segment]
    cut = next((place for place, one in enumerate(segments) if one in PAGES), len(segments))
    paths = [segments[:end] for end in range(cut, -1, -1)]
    paths += [[*segments[:cut], USUAL], [USUAL], segments]
    top = f"{parts.scheme}://{parts.netloc}/"
    return list(dict.fromkeys(top + "".join(f"{one}/" for one in path) for path in paths))


async def find_root(server: ControllerConfig, environ: Mapping[str, str]) -> str | None:
    """The first of the candidates that has Jenkins' login page, which everybody may see; None where
    none has."""
    for address in candidates(server.url):
        try:
            connection = connection_to(server.model_copy(update={"url": address}), environ)
        except ConfigError:
            return None
        async with contextlib.aclosing(open_client(connection)) as client:
            try:
                answer = await fetch(
                    client, client.request("GET", f"{address}login"),
                    where="Jenkins", what="login", limit=LOGIN_LIMIT, seconds=server.timeout / 1000,
                )  # fmt: skip
            except BadAnswer:
                continue
            except RemoteError:
                return None
        page = "json" not in answer.headers.get("Content-Type", "")
        if "X-Jenkins" in answer.headers and answer.status < 400 and page:
            return address
    return None


async def not_here(where: str, server: ControllerConfig, environ: Mapping[str, str]) -> CheckResult:
    """That Jenkins has nothing at the address, and which one it is at."""
    root = await find_root(server, environ)
    cure = (
        f'url = "{root}"' if root else f"is its context path missing, as in {server.url}jenkins/?"
    )
    return unavailable(where, f"HTTP 404: {server.url} is not Jenkins' own address", cure)
