"""Runs that were refused: mapped anew, queued again."""

from __future__ import annotations

from functools import partial

from poller.actions.find_build import check_only_one
from poller.context import AppContext
from poller.core.errors import NoSuchBuild
from poller.polling.send_again import SentAgain, send_again


async def retry(
    context: AppContext,
    wanted: tuple[str, int] | None,
    controller: str | None,
) -> list[SentAgain]:
    """Retry what was refused: all of it, or the build ``wanted`` (full name and number), which may
    also be one that is queued and failed.

    Raises NoSuchBuild; UsageError when several controllers have refused runs of that build.
    """
    ledger = context.ledger
    failing = [] if wanted is None else [row for row in ledger.queue.of(*wanted) if row["tries"]]
    rows = ledger.outbox.rejected() + failing
    rows = [
        row
        for row in rows
        if (wanted is None or (row["job"], row["number"]) == wanted)
        and controller in (None, row["controller"])
    ]
    if wanted is not None and not rows:
        raise NoSuchBuild(
            f"{wanted[0]} #{wanted[1]}: no refused run", "`sei-poller rejected` lists them"
        )
    if wanted is not None:
        check_only_one(sorted(row["controller"] for row in rows), *wanted)
    controllers = {one.name: one for one in context.controllers}
    builds = {row["build"]: row for row in rows}
    done = []
    for build, row in builds.items():
        if row["controller"] in controllers:
            work = partial(send_again, controllers[row["controller"]], build)
            done.append(await ledger.until_free(work))
        else:
            why = f"controller {row['controller']} is not in the config"
            done.append(SentAgain(row["job"], row["number"], False, why))
    return done
