"""What holds an executor now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from poller.core.build_key import BuildKey
from poller.core.errors import NotFound, RemoteError, Unauthorized
from poller.jenkins.answers import Executable
from poller.jenkins.client import JenkinsClient
from poller.jenkins.paths import build_of_url

RunningBuilds = Mapping[tuple[str, int], BuildKey]
"""By full name, in lower case, and number. A start without a queue id is not that of the build."""


@dataclass(frozen=True)
class RunningAnswer:
    """``builds`` that run now, None where Jenkins does not say; ``temporary``: this time only."""

    builds: RunningBuilds | None
    temporary: bool = False


async def fetch_running(client: JenkinsClient) -> RunningAnswer:
    """Which builds run now.

    Look-up in Jenkins ignores case and its URLs echo what was asked, so only the lower case of a
    URL is compared.
    """
    try:
        executables = await client.running()
    except (NotFound, Unauthorized):
        return RunningAnswer(None)
    except RemoteError:
        return RunningAnswer(None, temporary=True)
    return RunningAnswer(named_builds(executables, client.root))


def named_builds(executables: Iterable[Executable], root: str) -> RunningBuilds:
    """Those of what runs that have a build's address."""
    found: dict[tuple[str, int], BuildKey] = {}
    for one in executables:
        if (named := build_of_url(one.url, root)) is not None:
            build = (named[0].lower(), named[1])
            if one.queue_id or build not in found:
                found[build] = BuildKey(named[1], one.timestamp, one.queue_id)
    return found
