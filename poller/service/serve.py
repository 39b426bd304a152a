"""`run`: a service, and after each reload that the config allows, the next one in its place.

The next one starts when the one before has ended as it ends on a stop: what is under way is waited
for, what is queued is in the ledger. So a reload can lose and double no more than a stop can.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from poller.config.settings import Settings
from poller.context import AppContext, open_context
from poller.core.errors import ConfigError, PollerError
from poller.service.poll_loop import Service
from poller.service.systemd import Systemd
from poller.status.metrics import Metrics
from poller.status.server import serving


@dataclass(frozen=True)
class _Open:
    line: AppContext
    metrics: Metrics
    stack: contextlib.AsyncExitStack


class Daemon:
    """Runs until SIGTERM or SIGINT; SIGHUP reads the config anew, and a wrong one is not taken.

    ``read`` gives the settings or raises ConfigError; ``clock`` gives epoch milliseconds.
    """

    def __init__(
        self,
        read: Callable[[], Settings],
        environ: Mapping[str, str],
        clock: Callable[[], int],
    ) -> None:
        self._read = read
        self._environ = environ
        self._clock = clock
        self._notify = Systemd(environ)
        self._log = structlog.get_logger()
        self._reload = asyncio.Event()
        self._ending = False
        self._service: Service | None = None
        self._at_terminal = os.isatty(0)

    async def run(self, settings: Settings) -> None:
        """Begin with ``settings``. Raises PollerError when they can't be used, or the ledger."""
        # What is loaded by now stays: a look of the garbage collector at it is a pause of 40 ms
        # (measured).
        gc.freeze()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        current: _Open | None = await self._open(settings)
        while current is not None:
            line, metrics = current.line, current.metrics
            async with current.stack, serving(line.settings, metrics, self._clock):
                current = await self._serve(line, metrics)

    async def _serve(self, line: AppContext, metrics: Metrics) -> _Open | None:
        """Serve until the end, or until there is another line to serve: that one."""
        if self._ending:
            return None
        self._service = Service(line, self._clock, metrics, self._notify, self._service)
        running = asyncio.create_task(self._service.run())
        following = await self._next(running, line)
        if following is not None:
            self._service.stop(reload=True)
        try:
            await running
        except BaseException:
            if following is not None:
                await following.stack.aclose()
            raise
        return following

    async def _next(self, running: asyncio.Task[None], line: AppContext) -> _Open | None:
        """What a reload opened; None when the service ended instead."""
        while True:
            hang_up = asyncio.create_task(self._reload.wait())
            await asyncio.wait({running, hang_up}, return_when=asyncio.FIRST_COMPLETED)
            hang_up.cancel()
            if running.done() or self._ending:
                return None
            self._reload.clear()
            self._notify.reloading()
            try:
                return await self._open(self._read_for(line))
            except PollerError as error:
                self._refuse(error)

    async def _open(self, settings: Settings) -> _Open:
        stack = contextlib.AsyncExitStack()
        metrics = Metrics(settings)
        opening = open_context(settings, self._environ, self._clock, metrics.requests_to)
        return _Open(await stack.enter_async_context(opening), metrics, stack)

    def _read_for(self, line: AppContext) -> Settings:
        settings = self._read()
        if settings.ledger.path != line.settings.ledger.path:
            raise ConfigError(
                [f"[ledger] path: {settings.ledger.path} is another ledger"],
                "a reload keeps the ledger: restart for another one",
            )
        self._log.info("config read anew", controllers=[one.name for one in settings.controllers])
        return settings

    def _refuse(self, error: PollerError) -> None:
        findings = error.findings if isinstance(error, ConfigError) else [str(error)]
        for finding in findings:
            self._log.error("config not taken, the one before stays", finding=finding)
        if error.hint:
            self._log.error("config not taken, the one before stays", hint=error.hint)
        self._notify.ready()

    def _hang_up(self) -> None:
        """SIGHUP: a reload; where our terminal is gone, the end."""
        if self._at_terminal and not os.isatty(0):
            self._end()
        else:
            self._reload.set()

    def _end(self) -> None:
        self._ending = True
        if self._service is not None:
            self._service.stop()
