"""`run`: a service, and after each reload that the config allows, the next one in its place.

The next one is opened first, and starts when the present one has ended as on a stop: what is under
way is waited for, what is queued is in the ledger. So a reload can lose and double no more than a
stop can.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from poller.config.differences import differences
from poller.config.settings import Settings
from poller.context import AppContext, open_context
from poller.core.errors import ConfigError, PollerError
from poller.core.times import now_ms
from poller.ledger import SHORT_WAIT
from poller.ledger.locks import only_one
from poller.service.parts import Stop
from poller.service.reload import write_result
from poller.service.run import all_settled, patience, run
from poller.service.scheduler import Scheduler
from poller.service.systemd import Systemd
from poller.service.watchdog import Watchdog, few
from poller.status.metrics import Metrics
from poller.status.server import serving


@dataclass(frozen=True)
class OpenService:
    """A context and what counts its events; ``stack`` closes it."""

    context: AppContext
    metrics: Metrics
    stack: contextlib.AsyncExitStack


class Signals:
    """SIGTERM and SIGINT end the present service, by its ``stop``; SIGHUP asks for a reload, or
    ends it where our terminal is gone."""

    def __init__(self) -> None:
        self.reload = asyncio.Event()
        self.ending = False
        self.stop = Stop()
        self._at_terminal = os.isatty(0)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._on_sighup)

    def _on_sighup(self) -> None:
        if self._at_terminal and not os.isatty(0):
            self._end()
        else:
            self.reload.set()

    def _end(self) -> None:
        self.ending = True
        self.stop.request()


async def serve(read_settings: Callable[[], Settings], environ: Mapping[str, str]) -> None:
    """Poll and deliver until SIGTERM or SIGINT; SIGHUP reads the config again, and a wrong one is
    not taken. ``read_settings`` raises ConfigError.

    Raises PollerError when the first config can't be used, or the ledger.
    """
    # What is loaded by now stays: a look of the garbage collector at it is a pause of 40 ms
    # (measured).
    gc.freeze()
    systemd = Systemd(environ)
    try:
        await _serve(read_settings, environ, systemd)
    except PollerError as error:
        hint = [error.hint] if error.hint else []
        systemd.status(" - ".join([few(_findings(error), "; "), *hint]))
        raise


async def _serve(
    read_settings: Callable[[], Settings], environ: Mapping[str, str], systemd: Systemd
) -> None:
    settings = read_settings()
    with only_one(Path(settings.ledger.path)):
        signals = Signals()

        async def open_next() -> OpenService:
            again = read_settings()
            if again.ledger.path != settings.ledger.path:
                raise ConfigError(
                    [f"[ledger] path: {again.ledger.path} is another ledger"],
                    "a reload keeps the ledger: restart for another one",
                )
            return await _open(again, environ)

        current: OpenService | None = await _open(settings, environ)
        while current is not None:
            async with current.stack, serving(current.context.settings, current.metrics, now_ms):
                current = await _serve_one(current, systemd, signals, open_next)


async def _serve_one(
    current: OpenService,
    systemd: Systemd,
    signals: Signals,
    open_next: Callable[[], Awaitable[OpenService]],
) -> OpenService | None:
    """Run one service to its end; the next one, after a reload."""
    if signals.ending:
        await all_settled(current.context)
        return None
    stop = signals.stop = Stop()
    context, metrics = current.context, current.metrics
    watchdog = Watchdog(systemd, patience=patience(context.settings))
    running = asyncio.create_task(run(context, metrics, Scheduler(), watchdog, stop))

    def reject(error: PollerError) -> None:
        _log_rejected(error)
        metrics.config_rejected = few(_findings(error), "; ")
        watchdog.set_problem("config", f"config rejected: {metrics.config_rejected}")
        write_result(systemd.runtime_directory, _findings(error), [])

    following = await _reloaded(running, signals, systemd, open_next, reject)
    if following is None:
        await running
        return None
    names = [one.name for one in following.context.controllers]
    changed = differences(context.settings, following.context.settings)
    structlog.get_logger().info("config_reloaded", controllers=names, changed=changed)
    write_result(systemd.runtime_directory, [], changed)
    stop.request(reload=not signals.ending)
    try:
        await running
    except BaseException:
        await following.stack.aclose()
        raise
    if signals.ending:
        await following.stack.aclose()
        return None
    following.context.settlement.take_over(context.settlement)
    return following


async def _reloaded(
    running: asyncio.Task[None],
    signals: Signals,
    systemd: Systemd,
    open_next: Callable[[], Awaitable[OpenService]],
    reject: Callable[[PollerError], None],
) -> OpenService | None:
    """The next service, opened by a reload; None when the present one ended instead."""
    while True:
        reload = asyncio.create_task(signals.reload.wait())
        await asyncio.wait({running, reload}, return_when=asyncio.FIRST_COMPLETED)
        reload.cancel()
        if running.done() or signals.ending:
            return None
        signals.reload.clear()
        systemd.reloading()
        try:
            following = await open_next()
        except PollerError as error:
            reject(error)
            systemd.ready()
            continue
        return following


async def _open(settings: Settings, environ: Mapping[str, str]) -> OpenService:
    stack, metrics = contextlib.AsyncExitStack(), Metrics(settings)
    opening = open_context(settings, environ, events=metrics, wait=SHORT_WAIT)
    return OpenService(await stack.enter_async_context(opening), metrics, stack)


def _log_rejected(error: PollerError) -> None:
    log, detail = structlog.get_logger(), "the one before stays"
    for finding in _findings(error):
        log.error("config_rejected", detail=detail, finding=finding)
    if error.hint:
        log.error("config_rejected", detail=detail, hint=error.hint)


def _findings(error: PollerError) -> list[str]:
    return error.findings if isinstance(error, ConfigError) else [str(error)]
