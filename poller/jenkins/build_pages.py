"""Pages of builds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poller.jenkins.build import Build
from poller.jenkins.client import JenkinsClient


@dataclass(frozen=True)
class BuildFault:
    """What a build's record lacks."""

    why: str
    retry: bool


@dataclass(frozen=True)
class BuildPage:
    """Builds as they were read."""

    builds: list[Build]
    faults: Mapping[int, BuildFault]
    unreadable: Mapping[int, str]


async def newest_builds(client: JenkinsClient, full_name: str, count: int) -> BuildPage:
    return BuildPage(await client.builds(full_name, count), {}, {})


async def builds_at(client: JenkinsClient, full_name: str, first: int, last: int) -> BuildPage:
    return BuildPage(await client.page(full_name, first, last), {}, {})


async def one_build(client: JenkinsClient, full_name: str, number: int) -> BuildPage:
    return BuildPage([await client.build(full_name, number)], {}, {})
