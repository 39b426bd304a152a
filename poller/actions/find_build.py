"""Which controller has a build: full names and numbers are only unique within one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from poller.core.errors import BadAnswer, NoSuchBuild, NotFound, UsageError
from poller.jenkins.build_pages import BuildPage, one_build
from poller.polling.controller import Controller

FULL_NAME = "JOB is the full name with its folders, as Jenkins shows it in fullName"


async def find_build(
    controllers: Sequence[Controller], full_name: str, number: int, controller: str | None
) -> tuple[Controller, BuildPage]:
    """Ask all controllers for a build, or the one that is named.

    The page has this build alone. Raises NoSuchBuild; UsageError when several controllers have it;
    RemoteError.
    """
    found: list[tuple[Controller, BuildPage]] = []
    for one in controllers:
        if controller in (None, one.name):
            with contextlib.suppress(NotFound):
                found.append((one, await one_build(one.client, full_name, number)))
    if not found:
        raise no_such_build(full_name, number)
    check_only_one((one.name for one, _ in found), full_name, number)
    one, page = found[0]
    if not page.builds:
        raise BadAnswer(one.client.where, f"{full_name} #{number}", page.unreadable[number])
    return one, page


def no_such_build(full_name: str, number: int) -> NoSuchBuild:
    """Jenkins has no such build, or no longer, or shows it to others only."""
    return NoSuchBuild(
        f"{full_name} #{number} is not there, or not to be seen with this token",
        FULL_NAME,
    )


def check_only_one(controllers: Iterable[str], full_name: str, number: int) -> None:
    """Raise UsageError when a build is on several controllers."""
    names = list(dict.fromkeys(controllers))
    if len(names) > 1:
        raise UsageError(
            f"{full_name} #{number} is on {', '.join(names)}", "say which with --controller NAME"
        )
