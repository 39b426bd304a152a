"""The commands that collect and send what is missing, and decide on what can't be sent."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poller.cli.app import (
    AsJson,
    BuildNumber,
    ControllerName,
    OneController,
    SinkName,
    When,
    app,
    check_controller,
    is_iacm,
    moment,
    read_settings,
    window,
    with_context,
)
from poller.cli.output import emit
from poller.core.build_key import MOST_BUILDS
from poller.core.errors import UsageError
from poller.core.times import now_ms

if TYPE_CHECKING:
    from poller.actions.backfill import BackfillAllResult
    from poller.context import AppContext
    from poller.core.patterns import Globs
    from poller.polling.controller import Controller
    from poller.polling.reconciliation import Difference


Jobs = Annotated[
    list[str] | None,
    typer.Option(
        "--job", metavar="GLOB", help="Only jobs whose fullName it matches; may be repeated."
    ),
]


@app.command()
def backfill(
    ctx: typer.Context,
    since: Annotated[str, typer.Option(metavar="WHEN", help="An ISO 8601 time, or 90d, or all.")],
    until: When = None,
    controller: OneController = None,
    job: Jobs = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many builds it would be.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Collect and send older builds; may run beside the service, and be stopped and run again."""
    settings = read_settings(ctx)

    from poller.actions.backfill import backfill_all, estimate_all
    from poller.cli.progress import ProgressBar
    from poller.cli.render import backfill_json, backfill_lines, estimate_json, estimate_lines
    from poller.polling.backfill import Window

    start, end = window(since, until or "0s", now_ms())
    bounds, globs = Window(start or 0, end or 0), _globs(job)

    async def count(context: AppContext) -> int:
        found = await estimate_all(_chosen(context, controller), bounds, globs)
        emit(estimate_json(found) if as_json else estimate_lines(found))
        return found.exit_code

    async def collect(context: AppContext) -> BackfillAllResult:
        return await backfill_all(context, _chosen(context, controller), bounds, globs)

    if dry_run:
        return with_context(settings, count)
    with ProgressBar(sys.stderr) as bar:
        done = with_context(settings, collect, events=bar)
    emit(backfill_json(done) if as_json else backfill_lines(done))
    return done.exit_code


@app.command()
def reconcile(
    ctx: typer.Context,
    since: When = None,
    controller: OneController = None,
    job: Jobs = None,
    repair: Annotated[bool, typer.Option("--repair", help="Collect what is missing.")] = False,
    rate: Annotated[
        float, typer.Option(metavar="N", min=0.1, help="How many jobs a second are compared.")
    ] = 5.0,
    sink: SinkName = "sei",
    as_json: AsJson = False,
) -> int:
    """Compare Jenkins with the ledger, build by build: what is missing, and why. Exit 1 when
    something is. With --sink iacm, compare what Harness IaCM has on record with the ledger."""
    settings = read_settings(ctx)
    iacm = is_iacm(settings, sink)

    from poller.actions.reconcile import Comparison, reconcile_all
    from poller.actions.reconcile_iacm import reconcile_iacm
    from poller.cli.render import (
        reconcile_iacm_lines,
        reconcile_json,
        reconcile_line,
        reconcile_lines,
    )

    found: list[tuple[str, Difference]] = []

    def show(controller: str, difference: Difference) -> None:
        if as_json:
            found.append((controller, difference))
        else:
            emit([reconcile_line(controller, difference)])

    comparison = Comparison(moment(since, "--since", now_ms()), _globs(job), repair, rate, show)

    async def work(context: AppContext) -> int:
        compare, lines = (
            (reconcile_iacm, reconcile_iacm_lines) if iacm else (reconcile_all, reconcile_lines)
        )
        done = await compare(context, _chosen(context, controller), comparison)
        emit(reconcile_json(done, found) if as_json else lines(done))
        return done.exit_code

    return with_context(settings, work)


@app.command()
def rejected(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show what SEI or IaCM refused, or does not take while it takes others, with their words."""
    from poller.cli.render import rejected_json, rejected_lines
    from poller.ledger import Ledger

    settings = read_settings(ctx)
    with Ledger(Path(settings.ledger.path), read_only=True) as ledger:
        rows = ledger.outbox.rejected() + ledger.queue.waiting_alone()
    emit(rejected_json(rows) if as_json else rejected_lines(rows))


@app.command()
def retry(
    ctx: typer.Context,
    job: Annotated[str | None, typer.Argument(metavar="[JOB", help="As in fullName.")] = None,
    number: Annotated[int | None, typer.Argument(metavar="NUMBER]", min=1, max=MOST_BUILDS)] = None,
    every: Annotated[bool, typer.Option("--all", help="All that was refused.")] = False,
    drop: Annotated[
        str | None,
        typer.Option(metavar="SINK", help="Forget what waits for a sink that the config lacks."),
    ] = None,
    controller: ControllerName = None,
    as_json: AsJson = False,
) -> int:
    """Queue again what was refused: mapped anew from Jenkins, else as it was kept."""
    settings = read_settings(ctx)
    given = [every, job is not None, drop is not None]
    if given.count(True) != 1 or (job is None) != (number is None):
        usage = "retry JOB NUMBER, or retry --all, or retry --drop SINK"
        raise UsageError(usage, "see `sei-poller retry -h`")
    if drop in settings.sink_names:
        raise UsageError(f"{drop} is in the config", "take its table out first")

    async def work(context: AppContext) -> int:
        from poller.actions.retry import retry as retry_rejected
        from poller.cli.render import retried_lines
        from poller.delivery.flush import flush_all

        if drop is not None:
            forget = partial(context.ledger.outbox.drop, drop, context.clock())
            dropped = await context.ledger.when_free(forget)
            emit({"dropped": dropped} if as_json else [f"{drop}: {dropped} dropped"])
            return 0
        wanted = None if job is None or number is None else (job, number)
        done = await retry_rejected(context, wanted, controller)
        await flush_all(context.senders)
        emit(done if as_json else retried_lines(done))
        return 75 if context.ledger.outbox.count_queued() or not all(d.queued for d in done) else 0

    return with_context(settings, work)


@app.command()
def resend(
    ctx: typer.Context,
    job: Jobs = None,
    since: When = None,
    until: When = None,
    incomplete: Annotated[
        bool, typer.Option("--incomplete", help="Only what was sent without something.")
    ] = False,
    controller: OneController = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many builds it would be.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Send delivered builds again: mapped anew from Jenkins, else as they were kept, with the same
    execution_id. SEI is reported to keep the first run of a build: a second one adds and updates
    stages and steps and replaces artifacts, and changes no status, duration, commits or
    parameters. May run beside the service, be stopped, and be run again."""
    settings = read_settings(ctx)
    if not (job or since or incomplete):
        raise UsageError("resend what? All there is: --since all", "or see --job and --incomplete")

    from poller.actions.resend import ResendResult, Selection, count
    from poller.actions.resend import resend as send_again
    from poller.cli.progress import ProgressBar
    from poller.cli.render import resend_json, resend_lines

    selection = Selection(*window(since, until, now_ms()), _globs(job), incomplete)

    async def estimate(context: AppContext) -> int:
        found = count(_chosen(context, controller), selection)
        lines = [f"{name}: {builds} builds would be sent again" for name, builds in found.items()]
        emit({"controllers": found} if as_json else lines)
        return 0

    async def work(context: AppContext) -> ResendResult:
        return await send_again(context, _chosen(context, controller), selection, show)

    def show(problem: str) -> None:
        if not as_json:
            emit([f"not queued: {problem}"])

    if dry_run:
        return with_context(settings, estimate)
    with ProgressBar(sys.stderr) as bar:
        done = with_context(settings, work, events=bar)
    emit(resend_json(done) if as_json else resend_lines(done))
    return done.exit_code


@app.command()
def skip(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="As in fullName.")],
    number: BuildNumber,
    controller: ControllerName = None,
    as_json: AsJson = False,
) -> None:
    """Do not send a run that waits: it counts as refused, and `retry` queues it again."""
    from poller.actions.skip import skip_queued
    from poller.cli.render import skipped_lines
    from poller.ledger import Ledger

    settings = read_settings(ctx)
    with Ledger(Path(settings.ledger.path)) as ledger:
        done = skip_queued(ledger, (job, number), controller, now_ms())
    emit(done if as_json else skipped_lines(done))


def _globs(jobs: list[str] | None) -> Globs:
    from poller.core.patterns import Globs

    return Globs(jobs or ["**"])


def _chosen(context: AppContext, controller: str | None) -> list[Controller]:
    check_controller(controller, [one.name for one in context.controllers])
    return [one for one in context.controllers if controller in (None, one.name)]
