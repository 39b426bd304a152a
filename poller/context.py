"""Puts the parts together as the config says: one ledger, a client a controller, the sinks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx

from poller.config.network import Trust, proxy_of, trust
from poller.config.secrets import read_secret
from poller.config.servers import (
    DEFAULT_BODY_LIMIT,
    DEFAULT_RESULTS,
    AnyServer,
    ControllerConfig,
    HarnessConfig,
    SeiConfig,
)
from poller.config.settings import Settings
from poller.core.errors import ConfigError
from poller.core.events import NO_EVENTS, Events
from poller.core.patterns import Globs
from poller.core.times import Clock, parse_when
from poller.delivery.iacm_client import IacmClient
from poller.delivery.iacm_sink import IacmSink
from poller.delivery.jsonl import JsonlSink
from poller.delivery.sei import SeiClient, SeiSink
from poller.delivery.sink import Sink
from poller.http.client import Connection
from poller.http.retry import OnTry
from poller.jenkins.client import JenkinsClient
from poller.ledger import Ledger
from poller.mapping.extract import Extraction
from poller.mapping.job_run import MappingConfig, SeiInstance
from poller.mapping.redaction import Redactor
from poller.polling.console_log import LogCollector
from poller.polling.controller import Controller
from poller.polling.upstream import UpstreamCauses


def count_nothing(_server: str) -> OnTry | None:
    """Nobody counts the requests."""
    return None


@dataclass(frozen=True)
class AppContext:
    """All that `run`, `once` and their like work with."""

    settings: Settings
    ledger: Ledger
    controllers: tuple[Controller, ...]
    sinks: list[Sink]
    harness: IacmClient | None = None
    """The sink's own client, so that whoever asks waits for its turn."""

    @property
    def sink_names(self) -> list[str]:
        """The sinks that a new build is queued for."""
        return [sink.name for sink in self.sinks]


@contextlib.asynccontextmanager
async def open_context(
    settings: Settings,
    environ: Mapping[str, str],
    clock: Clock,
    requests_to: Callable[[str], OnTry | None] = count_nothing,
    *,
    events: Events = NO_EVENTS,
    share: float = 1.0,
) -> AsyncIterator[AppContext]:
    """Everything open; closed at the end. ``clock`` gives epoch milliseconds. ``requests_to`` gives
    who counts the requests to a server: a controller's name, ``sei``, or ``iacm``. ``events`` is
    told what is collected. ``share`` is the part of a controller's ``max_connections`` that is
    used, one at least.

    Raises ConfigError for a missing secret or GUID, LedgerError for an unusable ledger.
    """
    need_guids(settings)
    async with contextlib.AsyncExitStack() as stack:
        ledger = stack.enter_context(Ledger(Path(settings.ledger.path)))
        controllers = []
        common = SharedParts(
            policy(settings), Extraction(settings.extract), cache(trust),
            ledger, settings.sink_names, clock, events,
        )  # fmt: skip
        for controller in settings.controllers:
            at_once = max(1, int(share * controller.max_connections))
            ours = controller.model_copy(update={"max_connections": at_once})
            one = controller_of_config(ours, common, environ, requests_to(controller.name))
            stack.push_async_callback(one.client.aclose)
            controllers.append(one)
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
        yield AppContext(settings, ledger, tuple(controllers), sinks, harness)


def need_guids(settings: Settings) -> None:
    """Raise ConfigError where a controller has no instance GUID: SEI can't tell whose a run is."""
    without = [one.name for one in settings.controllers if one.instance_guid is None]
    if without:
        raise ConfigError(
            [f'controller "{name}": instance_guid is missing' for name in without],
            f"get it with: sei-poller register --controller {without[0]} --satellite satellite.yml",
        )


@dataclass(frozen=True)
class SharedParts:
    """What all controllers share: made for each of 200, it would take seconds and 170 MiB."""

    policy: MappingConfig
    extraction: Extraction
    trust: Trust
    ledger: Ledger
    sinks: tuple[str, ...]
    clock: Clock
    events: Events


def controller_of_config(
    controller: ControllerConfig,
    common: SharedParts,
    environ: Mapping[str, str],
    on_try: OnTry | None = None,
) -> Controller:
    """One controller, ready to be asked."""
    token = read_secret(controller, environ).get_secret_value()
    api = JenkinsClient(
        controller.name, connection_to(controller, on_try, common.trust), controller.user, token,
        request_rate=controller.request_rate, every=controller.every / 1000, clock=common.clock,
    )  # fmt: skip
    return Controller(
        name=controller.name,
        client=api,
        ledger=common.ledger,
        sinks=common.sinks,
        clock=common.clock,
        events=common.events,
        globs=Globs(controller.include, controller.exclude),
        since=parse_when(controller.since, common.clock()),
        max_connections=controller.max_connections,
        renumber=controller.recreated_jobs == "renumber",
        instance=SeiInstance(
            instance_name=controller.effective_instance_name,
            instance_guid=controller.instance_guid or "",
            instance_url=controller.effective_instance_url,
        ),
        mapping=common.policy,
        upstream=UpstreamCauses(api),
        logs=console(controller, common),
    )


def console(controller: ControllerConfig, common: SharedParts) -> LogCollector:
    """How a controller's logs are read, from the config."""
    return LogCollector(
        policy=controller.logs,
        keep=controller.log_limit,
        timeout=controller.timeout / 1000,
        redactor=common.policy.redactor,
        extraction=common.extraction,
    )


def redactor(settings: Settings) -> Redactor:
    """What is hidden, from the config."""
    return Redactor(settings.redact.names, settings.redact.patterns)


def policy(settings: Settings) -> MappingConfig:
    """How builds are mapped, from the config."""
    sei = settings.sei
    return MappingConfig(
        results=sei.results if sei else DEFAULT_RESULTS,
        redactor=redactor(settings),
        ignore_repos=sei.ignore_repos if sei else (),
        body_limit=sei.body_limit if sei else DEFAULT_BODY_LIMIT,
        rules=settings.rules,
    )


def sei_api(
    sei: SeiConfig, environ: Mapping[str, str], on_try: OnTry | None = None, trust: Trust = trust
) -> SeiClient:
    """SEI's API with the key of the config."""
    key = read_secret(sei, environ).get_secret_value()
    return SeiClient(connection_to(sei, on_try, trust), key, request_rate=sei.request_rate)


def harness_api(
    harness: HarnessConfig,
    environ: Mapping[str, str],
    on_try: OnTry | None = None,
    trust: Trust = trust,
) -> IacmClient:
    """The Harness API with the key of the config."""
    key = read_secret(harness, environ).get_secret_value()
    place = connection_to(harness, on_try, trust)
    return IacmClient(place, harness.account, harness.org, harness.project, key)


def connection_to(
    server: AnyServer, on_try: OnTry | None = None, trust: Trust = trust
) -> Connection:
    """How to reach a server, from its table of the config. Raises ConfigError for an address whose
    host no URL can have, and for a CA bundle or proxy that can't be used."""
    try:
        httpx.URL(server.base)
    except httpx.InvalidURL as error:
        raise ConfigError([f"{server.base}: no web address: {error}"]) from None
    return Connection(
        url=server.base,
        timeout=server.timeout,
        max_connections=server.max_connections,
        ssl_context=trust(server.ca_file),
        proxy=proxy_of(server.base, server.proxy),
        on_try=on_try,
    )
