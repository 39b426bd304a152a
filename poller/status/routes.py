"""The status server's routes: they read, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from poller.config.settings import Settings
from poller.core.errors import LedgerError
from poller.core.times import DAY_MS
from poller.ledger import Ledger
from poller.status.build_page import build_page
from poller.status.chart import day_chart
from poller.status.failure_view import step_log
from poller.status.guard import HostGuard
from poller.status.html import HERE, render
from poller.status.ledger_metrics import LedgerMetrics
from poller.status.metrics import Metrics
from poller.status.problems import all_well, problems
from poller.status.reader import LedgerReader
from poller.status.search import kept_log, last_part, search
from poller.status.snapshot import Snapshot, snapshot

T = TypeVar("T")

PAGE, LONGEST_QUERY = 50, 200
LARGEST_ID = 2**63 - 1
WEEK_DAYS = 7
RECENT, REJECTED, FAILING = 20, 10, 10


class Handlers:
    """The handlers. ``clock`` gives epoch milliseconds. ``probes`` reads for machines alone, so
    that no search of a person makes the service look ill."""

    def __init__(
        self,
        reader: LedgerReader,
        probes: LedgerReader,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], int],
    ) -> None:
        self._reader = reader
        self._probes = probes
        self._settings = settings
        self._metrics = metrics
        self._clock = clock

    async def overview(self, _request: Request) -> Response:
        """The first page."""
        page = await self._snapshot(self._reader, overview)
        return Response(page, media_type="text/html; charset=utf-8")

    async def builds(self, request: Request) -> Response:
        """All builds, newest first; ``before`` is where the page before ended."""
        now, before = self._clock(), _before(request.query_params.get("before"))
        return await self._page(
            lambda ledger: render(
                "builds.html", now, builds=ledger.page_queries.recent(now + DAY_MS, PAGE, before),
                page=PAGE, before=before,
            )
        )  # fmt: skip

    async def job(self, request: Request) -> Response:
        """One job's newest builds."""
        now, number = self._clock(), _id(request)

        def page(ledger: Ledger) -> bytes:
            job = ledger.page_queries.job(number)
            if job is None:
                raise HTTPException(404, "there is no such job in the ledger")
            builds = ledger.page_queries.of_job(number, PAGE)
            return render("job.html", now, job=job, builds=builds, page=PAGE)

        return await self._page(page)

    async def build(self, request: Request) -> Response:
        """One build."""
        now, number = self._clock(), _id(request)

        def page(ledger: Ledger) -> bytes:
            shown = build_page(ledger, number)
            if shown is None:
                raise HTTPException(404, "there is no such build in the ledger")
            log = kept_log(ledger, number)
            return render("build.html", now, p=shown, log=None if log is None else last_part(log))

        return await self._page(page)

    async def payload(self, request: Request) -> Response:
        """A build's payload as it was sent, or will be."""
        number = _id(request)
        body = await self._reader.ask(lambda ledger: ledger.page_queries.payload(number))
        if body is None:
            raise HTTPException(404, "its payload is not kept any more")
        return Response(body, media_type="application/json")

    async def log(self, request: Request) -> Response:
        """A build's console log as it is kept."""
        number = _id(request)
        text = await self._reader.ask(lambda ledger: kept_log(ledger, number))
        if text is None:
            raise HTTPException(404, "no console log of it is kept")
        return PlainTextResponse(text.encode("utf-8", "replace"))

    async def step_log(self, request: Request) -> Response:
        """The log of a failed step as it is kept."""
        number, place = _id(request), min(int(request.path_params["place"]), LARGEST_ID)
        text = await self._reader.ask(lambda ledger: step_log(ledger, number, place))
        if text is None:
            raise HTTPException(404, "no such log of a step is kept")
        return PlainTextResponse(text.encode("utf-8", "replace"))

    async def search(self, request: Request) -> Response:
        """Jobs by name, a build by job and number, and text in archived logs."""
        now, text = self._clock(), request.query_params.get("q", "").strip()[:LONGEST_QUERY]
        return await self._page(
            lambda ledger: render("search.html", now, text=text, found=search(ledger, text))
        )

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text, or OpenMetrics where that is asked for."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))

        def text(_ledger: Ledger, state: Snapshot) -> bytes:
            registry = CollectorRegistry()  # for this one answer
            registry.register(LedgerMetrics(state, self._metrics.registry))
            return encode(registry)

        body = await self._snapshot(self._probes, text)
        return Response(body, headers={"Content-Type": content_type})

    async def healthz(self, _request: Request) -> Response:
        """200 when the ledger can be written and every controller was polled within three of its
        intervals, else 503 and why."""
        try:
            state = await self._snapshot(self._probes, lambda _ledger, state: state)
        except LedgerError as error:
            return PlainTextResponse(f"{error}\n", 503)
        ill = [state.unwritable] if state.unwritable else []
        ill += [c.overdue.words(state.now) for c in state.controllers if c.overdue is not None]
        return PlainTextResponse("\n".join(ill or ["ok"]) + "\n", 503 if ill else 200)

    async def livez(self, _request: Request) -> Response:
        """200 whenever the program's loop turns."""
        return PlainTextResponse("ok\n")

    async def no_ledger(self, _request: Request, error: LedgerError) -> Response:
        """503, and why: what the service itself came upon, or else the page."""
        why = f"{error}. {error.hint}" if error.hint else str(error)
        text = self._metrics.unwritable or why
        body = render("error.html", 0, title="The ledger does not answer", text=text)
        return Response(body, 503, media_type="text/html; charset=utf-8")

    async def _page(self, page: Callable[[Ledger], bytes]) -> Response:
        return Response(await self._reader.ask(page), media_type="text/html; charset=utf-8")

    async def _snapshot(self, reader: LedgerReader, read: Callable[[Ledger, Snapshot], T]) -> T:
        """What ``read`` makes of a snapshot, and of the ledger in the same state."""
        now, live = self._clock(), self._metrics.live()
        return await reader.ask(
            lambda ledger: read(ledger, snapshot(ledger, self._settings, now, live))
        )


def overview(ledger: Ledger, state: Snapshot) -> bytes:
    """The first page: the snapshot, the last day and week, and the newest builds."""
    now, history = state.now, ledger.page_queries
    sinks = [sink.name for sink in state.sinks]
    hours = history.hours(now - DAY_MS, now)
    week_since = (now // DAY_MS - WEEK_DAYS + 1) * DAY_MS
    rejected = [row for sink in sinks for row in history.rejected(sink, REJECTED)]
    return render(
        "overview.html", now,
        problems=problems(state),
        well=all_well(state),
        controllers=state.controllers,
        pending={one.name: ledger.pending.counts(one.name) for one in state.controllers},
        incomplete={
            one.name: ledger.incomplete.by_reason(one.name, awaited=True)
            for one in state.controllers
        },
        sinks=state.sinks,
        charts=[day_chart(hours, sink, now) for sink in sinks],
        week_since=week_since,
        results=history.results(week_since, now),
        failing=history.failing(week_since, now, FAILING),
        rejected=sorted(rejected, key=lambda row: row["at"], reverse=True)[:REJECTED],
        recent=history.recent(now + DAY_MS, RECENT),
    )  # fmt: skip


def application(handlers: Handlers, hosts: frozenset[str]) -> Starlette:
    """The whole app; ``hosts`` are the names that it answers to."""
    routes: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/": handlers.overview,
        "/builds": handlers.builds,
        "/builds/{id:int}": handlers.build,
        "/builds/{id:int}/payload.json": handlers.payload,
        "/builds/{id:int}/log.txt": handlers.log,
        "/builds/{id:int}/steps/{place:int}.txt": handlers.step_log,
        "/jobs/{id:int}": handlers.job,
        "/search": handlers.search,
        "/metrics": handlers.metrics,
        "/healthz": handlers.healthz,
        "/livez": handlers.livez,
    }
    return Starlette(
        routes=[
            *(Route(path, handler) for path, handler in routes.items()),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(HostGuard, hosts=hosts)],
        exception_handlers={HTTPException: _refused, LedgerError: handlers.no_ledger},  # type: ignore[dict-item]
    )


async def _refused(_request: Request, error: HTTPException) -> Response:
    body = render("error.html", 0, title=str(error.status_code), text=error.detail)
    return Response(body, error.status_code, error.headers, "text/html; charset=utf-8")


def _id(request: Request) -> int:
    number = int(request.path_params["id"])
    if number > LARGEST_ID:
        raise HTTPException(404, "there is nothing of that number")
    return number


def _before(text: str | None) -> tuple[int, int, int] | None:
    """``TIMESTAMP-NUMBER-ID`` of a link to older builds; None for anything else."""
    parts = (text or "").split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    timestamp, number, build = (min(int(part[:19]), LARGEST_ID) for part in parts)
    return timestamp, number, build
