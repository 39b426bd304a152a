"""The commands that look after the books: backfill, reconcile, rejected, retry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poller.cli.app import (
    AsJson,
    ControllerName,
    SinkName,
    app,
    clock,
    end,
    handle_errors,
    is_iacm,
    moment,
    read_settings,
    refuse,
    with_context,
)
from poller.cli.output import emit
from poller.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.actions.reconcile import ReconcileResult
    from poller.context import AppContext
    from poller.core.patterns import Globs
    from poller.polling.controller import Controller
    from poller.polling.reconciliation import Difference


When = Annotated[str | None, typer.Option(metavar="WHEN", help="An ISO 8601 time, or 90d, or all.")]
Jobs = Annotated[
    list[str] | None, typer.Option("--job", metavar="GLOB", help="Over fullName; may be repeated.")
]
OneController = Annotated[
    str | None, typer.Option("--controller", metavar="NAME", help="Default: every controller.")
]


@app.command()
def backfill(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="WHEN", help="An ISO 8601 time, or 90d, or all.")],
    until: When = None,
    controller: OneController = None,
    job: Jobs = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many builds it would be.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """A bounded walk through history; may run beside the service, and be stopped and started."""
    settings = read_settings(context)

    async def work(line: AppContext) -> int:
        from poller.actions.backfill import backfill_all, estimate_all
        from poller.cli.progress import BackfillBar
        from poller.cli.render import backfill_json, backfill_lines, estimate_json, estimate_lines
        from poller.polling.backfill import Window

        now = clock()
        window = Window(moment(since, "--since", now), moment(until or "0s", "--until", now))
        if window.since >= window.until:
            raise UsageError("--since is not before --until")
        ours = _chosen(line, controller)
        if dry_run:
            found = await estimate_all(ours, window, _globs(job))
            emit(estimate_json(found) if as_json else estimate_lines(found))
            return found.exit_code
        with BackfillBar(sys.stderr) as bar:
            done = await backfill_all(ours, line, window, _globs(job), bar)
        emit(backfill_json(done) if as_json else backfill_lines(done))
        return done.exit_code

    end(with_context(settings, work))


@app.command()
def reconcile(
    context: typer.Context,
    since: When = None,
    controller: OneController = None,
    job: Jobs = None,
    repair: Annotated[bool, typer.Option("--repair", help="Collect what is missing.")] = False,
    rate: Annotated[
        float, typer.Option(metavar="N", min=0.1, help="Jobs a second to ask Jenkins for.")
    ] = 5.0,
    sink: SinkName = "sei",
    as_json: AsJson = False,
) -> None:
    """Jenkins against the ledger, build by build: what is missing and why. Exit 1 on a finding.
    With --sink iacm, what Harness IaCM has on record against the ledger."""
    settings = read_settings(context)
    iacm = handle_errors(lambda: is_iacm(settings, sink))

    async def work(line: AppContext) -> int:
        from poller.actions.reconcile import reconcile_all
        from poller.cli.render import (
            reconcile_iacm_lines,
            reconcile_json,
            reconcile_line,
            reconcile_lines,
        )

        start = None if since is None else moment(since, "--since", clock())
        found: list[tuple[str, Difference]] = []

        def show(controller: str, finding: Difference) -> None:
            if as_json:
                found.append((controller, finding))
            else:
                emit([reconcile_line(controller, finding)])

        if iacm:
            done = await _with_iacm(line, start, controller, job, show, repair=repair)
            emit(reconcile_json(done, found) if as_json else reconcile_iacm_lines(done))
            return done.exit_code
        done = await reconcile_all(
            _chosen(line, controller), line, start, _globs(job),
            repair=repair, rate=rate, on_finding=show,
        )  # fmt: skip
        emit(reconcile_json(done, found) if as_json else reconcile_lines(done))
        return done.exit_code

    end(with_context(settings, work))


async def _with_iacm(
    line: AppContext,
    since: int | None,
    controller: str | None,
    jobs: list[str] | None,
    show: Callable[[str, Difference], None],
    *,
    repair: bool,
) -> ReconcileResult:
    from poller.actions.reconcile_iacm import reconcile_iacm

    assert line.iacm is not None  # noqa: S101 - for the type checker
    (sender,) = [one for one in line.senders if one.name == "iacm"]
    return await reconcile_iacm(
        _chosen(line, controller), line.iacm, sender, since, _globs(jobs),
        repair=repair, on_finding=show,
    )  # fmt: skip


@app.command()
def rejected(context: typer.Context, as_json: AsJson = False) -> None:
    """What SEI refused, or IaCM, with their own words."""
    settings = read_settings(context)

    def show() -> int:
        from poller.cli.render import rejected_json, rejected_lines
        from poller.ledger import Ledger

        with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
            rows = ledger.outbox.rejected()
        emit(rejected_json(rows) if as_json else rejected_lines(rows))
        return 0

    end(handle_errors(show))


@app.command()
def retry(
    context: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="[JOB", help="As in fullName.")] = None,
    number: Annotated[int | None, typer.Argument(metavar="NUMBER]", min=1)] = None,
    every: Annotated[bool, typer.Option("--all", help="All that was refused.")] = False,
    controller: ControllerName = None,
    as_json: AsJson = False,
) -> None:
    """What was refused, back to the queue: mapped anew from Jenkins, else as it was kept."""
    settings = read_settings(context)
    if every == (job is not None) or (job is None) != (number is None):
        handle_errors(
            lambda: refuse("retry JOB NUMBER, or retry --all", "see `sei-poller retry -h`")
        )

    async def work(line: AppContext) -> int:
        from poller.actions.resend import resend_all
        from poller.cli.render import retried_lines
        from poller.delivery.flush import flush_all

        wanted = None if job is None or number is None else (job, number)
        done = await resend_all(line, wanted, controller)
        await flush_all(line.senders)
        emit(done if as_json else retried_lines(done))
        return 75 if line.ledger.outbox.count_queued() or not all(d.queued for d in done) else 0

    end(with_context(settings, work))


def _globs(jobs: list[str] | None) -> Globs:
    from poller.core.patterns import Globs

    return Globs(jobs or ["**"])


def _chosen(line: AppContext, controller: str | None) -> list[Controller]:
    ours = [one for one in line.controllers if controller in (None, one.name)]
    if not ours:
        names = ", ".join(one.name for one in line.controllers)
        raise UsageError(f"no controller {controller!r} in the config", f"there are: {names}")
    return ours
