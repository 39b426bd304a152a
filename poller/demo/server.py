"""Runs an ASGI app as a real HTTP server on loopback, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

START_SECONDS = 10.0


class _Abortable(H11Protocol):
    """Hands the app ``extensions["poller.abort"]``, ``.close``, ``.write`` and ``.is_open``: ASGI
    itself cannot break a connection off, nor answer what is no HTTP, nor see in the middle of an
    answer that the client broke off."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        app: Any = self.app

        async def with_abort(scope: Any, receive: Any, send: Any) -> None:
            extensions = scope.setdefault("extensions", {})
            extensions["poller.abort"] = transport.abort
            extensions["poller.write"] = transport.write
            extensions["poller.close"] = transport.close
            extensions["poller.is_open"] = lambda: not transport.is_closing()
            with contextlib.suppress(asyncio.CancelledError):  # the server stops
                await app(scope, receive, send)

        self.app = with_abort


class _Uvicorn(uvicorn.Server):
    """Stops at once, as a crash would: answers under way are broken off."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._break_off()
        await super().shutdown(sockets)
        self._break_off()  # what was accepted just before the port was closed
        await asyncio.sleep(0)

    def _break_off(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


class Server:
    """``with Server(app) as server: server.url``. Port 0 is any free one.

    After :meth:`stop`, :meth:`start` serves again on the same port.
    """

    def __init__(self, app: Any, port: int = 0) -> None:
        self._app = app
        self.port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT/``."""
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        """Listen and serve; returns when requests are answered."""
        # With the protocol named, asyncio sets TCP_NODELAY; without, each answer takes 40 ms more.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self.port))
        except OSError:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            http=_Abortable,
            ws="none",
            loop="asyncio",
            interface="asgi3",
            proxy_headers=False,
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            backlog=2048,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )
        self._server = _Uvicorn(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name=f"demo-{self.port}", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError(f"no server on port {self.port}")
            time.sleep(0.002)

    def stop(self) -> None:
        """Close the port and every connection; returns when that is done."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
