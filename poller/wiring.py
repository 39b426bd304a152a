"""Puts the parts together as the config says: one ledger, a client a controller, the sinks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx

from poller.errors import ConfigError
from poller.extract import Extraction
from poller.globs import Globs
from poller.harness.api import Api as HarnessApi
from poller.http import Connection, Trust, trust
from poller.jenkins.api import Api as JenkinsApi
from poller.jenkins.console import Console
from poller.jenkins.upstream import Upstream
from poller.ledger import Ledger
from poller.redact import Redactor
from poller.secrets import read_secret
from poller.sei.api import Api as SeiApi
from poller.sei.mapping import Identity, Policy
from poller.servers import DEFAULT_RESULTS, ControllerConfig, Harness, Sei
from poller.settings import Settings
from poller.sinks import Sink
from poller.sinks.iacm import IacmSink
from poller.sinks.jsonl import JsonlSink
from poller.sinks.sei import SeiSink
from poller.tries import OnTry
from poller.watched import Watched
from poller.when import parse_when

DEFAULT_BODY_LIMIT = 480_000


def no_one(_server: str) -> OnTry | None:
    """Nobody counts the requests."""
    return None


@dataclass(frozen=True)
class Line:
    """All that `run`, `once` and their like work with."""

    settings: Settings
    ledger: Ledger
    watched: list[Watched]
    sinks: list[Sink]
    harness: HarnessApi | None = None
    """The sink's own client, so that whoever asks waits for its turn."""

    @property
    def sink_names(self) -> list[str]:
        """The sinks that a new build is queued for."""
        return [sink.name for sink in self.sinks]


@contextlib.asynccontextmanager
async def open_line(
    settings: Settings,
    environ: Mapping[str, str],
    clock: Callable[[], int],
    requests_to: Callable[[str], OnTry | None] = no_one,
    *,
    share: float = 1.0,
) -> AsyncIterator[Line]:
    """Everything open; closed at the end. ``clock`` gives epoch milliseconds. ``requests_to`` gives
    who counts the requests to a server: a controller's name, ``sei``, or ``iacm``. ``share`` is the
    part of a controller's ``max_connections`` that is used, one at least.

    Raises ConfigError for a missing secret or GUID, LedgerError for an unusable ledger.
    """
    need_guids(settings)
    async with contextlib.AsyncExitStack() as stack:
        watched, common = [], Common(policy(settings), Extraction(settings.extract), cache(trust))
        for controller in settings.controllers:
            at_once = max(1, int(share * controller.max_connections))
            ours = controller.model_copy(update={"max_connections": at_once})
            one = watch(ours, common, environ, clock, requests_to(controller.name))
            stack.push_async_callback(one.api.aclose)
            watched.append(one)
        sinks: list[Sink] = []
        if settings.sei is not None:
            api = sei_api(settings.sei, environ, requests_to("sei"), common.trust)
            sinks.append(SeiSink(api, settings.sei.max_connections))
        harness = None
        if settings.harness is not None:
            harness = harness_api(settings.harness, environ, requests_to("iacm"), common.trust)
            sinks.append(IacmSink(harness))
        if settings.jsonl is not None:
            sinks.append(JsonlSink(Path(settings.jsonl.path)))
        for sink in sinks:
            stack.push_async_callback(sink.aclose)
        ledger = Ledger(Path(settings.ledger.path))
        stack.callback(ledger.close)
        yield Line(settings, ledger, watched, sinks, harness)


def need_guids(settings: Settings) -> None:
    """Raise ConfigError where a controller has no instance GUID: SEI can't tell whose a run is."""
    without = [one.name for one in settings.controllers if one.instance_guid is None]
    if without:
        raise ConfigError(
            [f'controller "{name}": instance_guid is missing' for name in without],
            f"get it with: sei-poller register --controller {without[0]} --satellite satellite.yml",
        )


@dataclass(frozen=True)
class Common:
    """What all controllers share: made for each of 200, it would take seconds and 170 MiB."""

    policy: Policy
    extraction: Extraction
    trust: Trust


def watch(
    controller: ControllerConfig,
    common: Common,
    environ: Mapping[str, str],
    clock: Callable[[], int],
    on_try: OnTry | None = None,
) -> Watched:
    """One controller, ready to be asked. ``clock`` gives epoch milliseconds."""
    token = read_secret(controller, environ).get_secret_value()
    api = JenkinsApi(
        controller.name, connection(controller, on_try, common.trust), controller.user, token,
        request_rate=controller.request_rate, every=controller.every / 1000, clock=clock,
    )  # fmt: skip
    return Watched(
        name=controller.name,
        api=api,
        upstream=Upstream(api),
        console=console(controller, common),
        globs=Globs(controller.include, controller.exclude),
        since=parse_when(controller.since, clock()),
        identity=Identity(
            instance_name=controller.effective_instance_name,
            instance_guid=controller.instance_guid or "",
            instance_url=controller.effective_instance_url,
        ),
        policy=common.policy,
        parallel=controller.max_connections,
        renumber=controller.recreated_jobs == "renumber",
    )


def console(controller: ControllerConfig, common: Common) -> Console:
    """How a controller's logs are read, from the config."""
    return Console(
        policy=controller.logs,
        keep=controller.log_limit,
        timeout=controller.timeout / 1000,
        redactor=common.policy.redactor,
        extraction=common.extraction,
    )


def redactor(settings: Settings) -> Redactor:
    """What is hidden, from the config."""
    return Redactor(settings.redact.names, settings.redact.patterns)


def policy(settings: Settings) -> Policy:
    """How builds are mapped, from the config."""
    sei = settings.sei
    return Policy(
        results=sei.results if sei else DEFAULT_RESULTS,
        redactor=redactor(settings),
        ignore_repos=sei.ignore_repos if sei else (),
        body_limit=sei.body_limit if sei else DEFAULT_BODY_LIMIT,
        rules=settings.rules,
    )


def sei_api(
    sei: Sei, environ: Mapping[str, str], on_try: OnTry | None = None, trust: Trust = trust
) -> SeiApi:
    """SEI's API with the key of the config."""
    key = read_secret(sei, environ).get_secret_value()
    return SeiApi(connection(sei, on_try, trust), key, request_rate=sei.request_rate)


def harness_api(
    harness: Harness, environ: Mapping[str, str], on_try: OnTry | None = None, trust: Trust = trust
) -> HarnessApi:
    """The Harness API with the key of the config."""
    key = read_secret(harness, environ).get_secret_value()
    place = connection(harness, on_try, trust)
    return HarnessApi(place, harness.account, harness.org, harness.project, key)


def connection(
    server: ControllerConfig | Sei | Harness, on_try: OnTry | None = None, trust: Trust = trust
) -> Connection:
    """How to reach a server, from its table of the config. Raises ConfigError for an address whose
    host no URL can have."""
    try:
        httpx.URL(server.base)
    except httpx.InvalidURL as error:
        raise ConfigError([f"{server.base}: no web address: {error}"]) from None
    return Connection(
        url=server.base,
        timeout=server.timeout,
        max_connections=server.max_connections,
        ca_file=server.ca_file,
        proxy=server.proxy,
        on_try=on_try,
        trust=trust,
    )
