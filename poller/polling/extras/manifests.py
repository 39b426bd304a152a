"""The artifact manifests that a build has archived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poller.core.errors import BadAnswer, NotFound, RemoteError, Unreachable, is_away
from poller.jenkins.build import LISTED_FILES, Build
from poller.jenkins.client import JenkinsClient
from poller.mapping.evidence import Manifest
from poller.mapping.manifest import FILE_NAMES, parse_manifest

MOST = 10
"""Manifests of a build that are read."""


@dataclass(frozen=True)
class Manifests:
    """Those that could be read; what is wrong with others, one line each; and what could not be
    asked for the moment and is worth another try."""

    read: tuple[Manifest, ...] = ()
    wrong: tuple[str, ...] = ()
    retry: str = ""


async def manifests(client: JenkinsClient, full_name: str, build: Build) -> Manifests:
    """Read the build's manifests: no request for a build that lists none."""
    read: list[Manifest] = []
    wrong: list[str] = []
    listed = paths(build)
    for path in [*listed, *unlisted(build, listed)]:
        try:
            body = await client.archived_file(full_name, build.number, path)
        except NotFound:
            continue  # not listed, or gone since it was
        except RemoteError as error:
            if is_away(error):
                raise
            if isinstance(error, Unreachable):
                return Manifests(tuple(read), tuple(wrong), str(error))
            if isinstance(error, BadAnswer) and error.status is None:
                return Manifests(tuple(read), tuple(wrong), str(error))
            # One kept outside of Jenkins is a redirect, which is not followed.
            wrong.append(f"{path}: {error.reason}")
            continue
        artifacts, faults = parse_manifest(body, path.rpartition("/")[2])
        if artifacts:
            read.append(Manifest(path, artifacts))
        wrong += (f"{path}: {fault}" for fault in faults)
    return Manifests(tuple(read), tuple(wrong))


def paths(build: Build) -> list[str]:
    """The archived files that are manifests by their name, in whatever folder."""
    named = [
        file.relativePath
        for name in FILE_NAMES
        for file in build.artifacts
        if file.fileName == name and is_plain(file.relativePath)
    ]
    return list(dict.fromkeys(named))[:MOST]


def unlisted(build: Build, listed: Sequence[str]) -> list[str]:
    """What may be there though it is not listed: there were more files than are listed."""
    if len(build.artifacts) < LISTED_FILES:
        return []
    return [name for name in FILE_NAMES if name not in listed]


def is_plain(path: str) -> bool:
    """Whether a path stays inside the archive."""
    return "\\" not in path and not {"", ".", ".."} & set(path.split("/"))
