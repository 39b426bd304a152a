"""Serves the status page inside the service's own loop, for as long as the service runs.

Polling never depends on it: a port that is in use is logged, and tried again until it is free.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from poller.config.settings import Settings
from poller.core.urls import is_loopback
from poller.status.metrics import Metrics
from poller.status.reader import LedgerReader
from poller.status.routes import Handlers, application

AGAIN_SECONDS = 30.0
"""Between two tries to listen on a port that can't be had."""

MOST_AT_ONCE = 32
"""Requests and idle connections; one more gets 503."""


REQUEST_SECONDS, ANSWER_SECONDS = 10.0, 60.0
"""For a whole request to come, and for its answer to be taken; then the connection is closed, or
as many idle ones as there are places would keep everybody out."""


class TimeoutProtocol(H11Protocol):
    """An HTTP connection that is closed when it keeps us waiting.

    Uvicorn itself waits without end for the rest of a request, and for an answer to be read.
    """

    request_seconds, answer_seconds = REQUEST_SECONDS, ANSWER_SECONDS
    _late: asyncio.TimerHandle | None = None
    _answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._allow(self.request_seconds)

    def data_received(self, data: bytes) -> None:
        """Part of a request, or its end."""
        super().data_received(data)
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and not self._answering:
            self._allow(self.answer_seconds)
        self._answering = answering

    def on_response_complete(self) -> None:
        """The rest of it is to be read, or the next request to come."""
        self._answering = False
        self._allow(self.answer_seconds)
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self._stop()
        super().connection_lost(exc)

    def _allow(self, seconds: float) -> None:
        self._stop()
        # What is not read is not waited for, as a close would.
        self._late = self.loop.call_later(seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None is captured."""
        yield


@contextlib.asynccontextmanager
async def serving(
    settings: Settings,
    metrics: Metrics,
    clock: Callable[[], int],
    *,
    again_seconds: float = AGAIN_SECONDS,
    protocol: type[TimeoutProtocol] = TimeoutProtocol,
) -> AsyncIterator[None]:
    """Inside, the page is served where ``[status] listen`` says; without it nothing happens.

    ``clock`` gives epoch milliseconds. Never raises for what goes wrong with the page.
    """
    listen = settings.status.listen
    if listen is None:
        yield
        return
    reader, probes = (LedgerReader(Path(settings.ledger.path)) for _ in range(2))
    handlers = Handlers(reader, probes, settings, metrics, clock)
    host, _ = split_listen(listen)
    hosts = frozenset(name.lower() for name in (host, *settings.status.hosts))
    server = _Uvicorn(_config(application(handlers, hosts), protocol))
    task = asyncio.create_task(_serve(server, listen, again_seconds))
    try:
        yield
    finally:
        server.should_exit = True
        if not server.started:
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await reader.aclose()
        await probes.aclose()


def _config(app: object, protocol: type[TimeoutProtocol]) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=protocol,
        ws="none",
        interface="asgi3",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        log_config=None,
        log_level="error",
        access_log=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )


async def _serve(server: uvicorn.Server, listen: str, again_seconds: float) -> None:
    log = structlog.get_logger()
    logged = False
    while True:
        try:
            listener = await asyncio.to_thread(bind, listen)
            break
        except OSError as error:
            if not logged:
                log.error(
                    "status_page_unavailable",
                    listen=listen,
                    problem=error.strerror or str(error),
                    hint="polling goes on, and the port is tried again; is another program on it?",
                )
            logged = True
            await asyncio.sleep(again_seconds)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.info("status_page_started", url=f"http://{shown}:{port}/")
    if not is_loopback(host):
        log.warning(
            "status_page_public",
            detail="it has no password",
            listen=listen,
            hint="keep it behind a firewall",
        )
    try:
        await server.serve(sockets=[listener])
    except Exception as error:
        log.error("status_page_failed", error=repr(error))
    finally:
        listener.close()


def bind(listen: str) -> socket.socket:
    """A listening socket. Raises OSError."""
    host, port = split_listen(listen)
    ((family, kind, _, _, address), *_) = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    # With the protocol named, asyncio sets TCP_NODELAY; without, an answer takes 40 ms more.
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def split_listen(listen: str) -> tuple[str, int]:
    """``HOST:PORT`` or a port alone, which is on loopback."""
    host, _, port = listen.rpartition(":")
    return host.strip("[]") or "127.0.0.1", int(port)


def page_address(settings: Settings) -> str:
    """Where the page is, as the config has it; empty without one, or where the system is to choose
    the port."""
    if settings.status.listen is None:
        return ""
    host, port = split_listen(settings.status.listen)
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - nothing listens here
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}" if port else ""
