"""Puts the parts together as the config says: one ledger, a client a controller, the sinks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from poller.config.network import Trust, proxy_of, trust
from poller.config.secrets import front_door, read_secret
from poller.config.servers import (
    DEFAULT_BODY_LIMIT,
    DEFAULT_CAUSES,
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
from poller.core.times import Clock, now_ms, parse_when
from poller.delivery.failed_logs.plugin_form import LogLimits
from poller.delivery.failed_logs.sending import CIRCUIT, FailedLogs
from poller.delivery.iacm_client import IacmClient
from poller.delivery.iacm_sink import IacmSink
from poller.delivery.instances import InstanceCheck
from poller.delivery.jsonl import JsonlSink
from poller.delivery.sei import SeiClient, SeiSink
from poller.delivery.sender import Sender
from poller.delivery.settlement import Settlement
from poller.delivery.sink import Sink
from poller.http.breaker import Breaker
from poller.http.client import ANSWER_LIMIT, Connection
from poller.http.throttle import RateLimit
from poller.jenkins.client import JenkinsClient
from poller.jenkins.request_limiter import RequestLimiter
from poller.ledger import Ledger
from poller.ledger.file import LONGEST_WAIT
from poller.mapping.extract import Extraction
from poller.mapping.map_build import MappingConfig
from poller.mapping.names import SeiInstance
from poller.mapping.redaction import Redactor
from poller.polling.controller import Controller
from poller.polling.extras.console_log import LogCollector
from poller.polling.extras.failures import FailureCollector
from poller.polling.extras.stage_trees import StageTrees
from poller.polling.extras.upstream import UpstreamCauses


@dataclass(frozen=True)
class AppContext:
    """All that `run`, `once` and their like work with."""

    settings: Settings
    ledger: Ledger
    clock: Clock
    controllers: tuple[Controller, ...]
    senders: tuple[Sender, ...]
    settlement: Settlement
    iacm: IacmClient | None = None
    """The sink's own client, so that whoever asks waits for its turn."""
    instances: InstanceCheck | None = None


@contextlib.asynccontextmanager
async def open_context(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    clock: Clock = now_ms,
    events: Events = NO_EVENTS,
    share: float = 1.0,
    wait: float = LONGEST_WAIT,
) -> AsyncIterator[AppContext]:
    """Everything open; closed at the end. ``clock`` gives epoch milliseconds. ``share`` is the part
    of a controller's ``max_connections`` that is used, one at least. ``wait`` is how many seconds
    the ledger stands still while another program holds it.

    Raises ConfigError for a missing secret or GUID, LedgerError for an unusable ledger.
    """
    need_guids(settings)
    async with contextlib.AsyncExitStack() as stack:
        ledger = stack.enter_context(Ledger(Path(settings.ledger.path), wait=wait))
        controllers = []
        common = SharedParts(
            mapping_config(settings), Extraction(settings.extract), cache(trust),
            ledger, settings.sink_names, clock, events,
        )  # fmt: skip
        for controller in settings.controllers:
            at_once = max(1, int(share * controller.max_connections))
            logs = settings.logs_kept_of(controller)
            ours = controller.model_copy(update={"max_connections": at_once, "logs": logs})
            one = controller_of_config(ours, common, environ)
            stack.push_async_callback(one.client.aclose)
            controllers.append(one)
        sinks: list[Sink] = []
        instances = None
        if settings.sei is not None:
            client = sei_client(settings.sei, environ, events, common.trust)
            guids = {one.name: one.instance_guid or "" for one in settings.controllers}
            instances = InstanceCheck(client, ledger, clock, guids, settings.sei.wait_for_guid)
            rate = RateLimit(settings.sei.request_rate, asyncio.get_running_loop().time)
            with_logs = failed_logs(settings.sei, ledger, clock, rate)
            sinks.append(SeiSink(client, settings.sei.max_connections, with_logs))
        iacm = None
        if settings.harness is not None:
            iacm = iacm_client(settings.harness, environ, events, common.trust)
            sinks.append(IacmSink(iacm))
        if settings.jsonl is not None:
            sinks.append(JsonlSink(Path(settings.jsonl.path)))
        for sink in sinks:
            stack.push_async_callback(sink.aclose)
        settlement = Settlement(ledger)
        senders = tuple(Sender(sink, ledger, clock, events, settlement) for sink in sinks)
        if settings.sei is not None:
            senders[0].rate = rate
        ledger.outbox.configure(settings.sink_names, clock())
        yield AppContext(
            settings, ledger, clock, tuple(controllers), senders, settlement, iacm, instances
        )


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

    mapping: MappingConfig
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
) -> Controller:
    """One controller, with its client."""
    token = read_secret(controller, environ).get_secret_value()
    limiter = RequestLimiter(
        f"controller {controller.name}",
        controller.max_connections,
        request_rate=controller.request_rate,
        every=controller.every / 1000,
        clock=common.clock,
    )
    connection = connection_to(controller, environ, controller.name, common.events, common.trust)
    client = JenkinsClient(controller.name, connection, controller.user, token, limiter)
    return Controller(
        name=controller.name,
        client=client,
        ledger=common.ledger,
        sinks=common.sinks,
        clock=common.clock,
        events=common.events,
        globs=Globs(controller.include, controller.exclude),
        since=parse_when(controller.since, common.clock()),
        max_connections=controller.max_connections,
        renumber=controller.recreated_jobs == "renumber",
        modules=controller.modules,
        instance=SeiInstance(
            instance_name=controller.effective_instance_name,
            instance_guid=controller.instance_guid or "",
            instance_url=controller.effective_instance_url,
            public_url=controller.instance_url is not None,
            test_counts=controller.tests != "none",
            plugin_names=controller.job_full_name == "plugin",
        ),
        mapping=common.mapping,
        upstream=UpstreamCauses(client, clock=common.clock),
        logs=log_collector(controller, common),
        failures=FailureCollector(
            step_logs=controller.logs != "none",
            keep=controller.log_limit,
            timeout=controller.timeout / 1000,
            tests=controller.tests == "cases",
        ),
        stages=StageTrees(client, controller.stages, controller.name, common.ledger, common.clock),
    )


def log_collector(controller: ControllerConfig, common: SharedParts) -> LogCollector:
    """How a controller's logs are read, from the config."""
    return LogCollector(
        policy=controller.logs,
        keep=controller.log_limit,
        timeout=controller.timeout / 1000,
        extraction=common.extraction,
    )


def redactor(settings: Settings) -> Redactor:
    """What is hidden, from the config."""
    return Redactor(settings.redact.names, settings.redact.patterns)


def mapping_config(settings: Settings) -> MappingConfig:
    """How builds are mapped, from the config."""
    sei = settings.sei
    return MappingConfig(
        results=sei.results if sei else DEFAULT_RESULTS,
        redactor=redactor(settings),
        ignore_repos=sei.ignore_repos if sei else (),
        body_limit=sei.body_limit if sei else DEFAULT_BODY_LIMIT,
        rules=settings.rules,
        causes=sei.causes if sei else DEFAULT_CAUSES,
        ci_and_cd=(sei.ci, sei.cd) if sei else (True, False),
    )


def sei_client(
    sei: SeiConfig, environ: Mapping[str, str], events: Events = NO_EVENTS, trust: Trust = trust
) -> SeiClient:
    """SEI's API with the key of the config."""
    key = read_secret(sei, environ).get_secret_value()
    return SeiClient(connection_to(sei, environ, "sei", events, trust), key)


def failed_logs(sei: SeiConfig, ledger: Ledger, clock: Clock, rate: RateLimit) -> FailedLogs | None:
    """What sends the logs of failed builds, where the config asks for it."""
    if sei.logs == "none":
        ledger.breakers.keep("sink", CIRCUIT, Breaker())
        return None
    return FailedLogs(ledger, clock, LogLimits(sei.log_limit, sei.logs_limit), rate.wait)


def iacm_client(
    harness: HarnessConfig,
    environ: Mapping[str, str],
    events: Events = NO_EVENTS,
    trust: Trust = trust,
) -> IacmClient:
    """The Harness API with the key of the config."""
    key = read_secret(harness, environ).get_secret_value()
    connection = connection_to(harness, environ, "iacm", events, trust)
    return IacmClient(connection, harness.account, harness.org, harness.project, key)


def connection_to(
    server: AnyServer,
    environ: Mapping[str, str],
    name: str = "",
    events: Events = NO_EVENTS,
    trust: Trust = trust,
) -> Connection:
    """How to reach a server, from its table of the config; ``name`` is what it is in ``events``.
    Raises ConfigError for an address whose host no URL can have, and for headers, a CA bundle, a
    client certificate or a proxy that can't be used."""
    try:
        httpx.URL(server.base)
    except httpx.InvalidURL as error:
        raise ConfigError([f"{server.base}: no web address: {error}"]) from None
    proxy = proxy_of(server.base, server.proxy)
    door = front_door(server, environ)
    encrypted = "https" in (urlsplit(server.base).scheme, urlsplit(proxy or "").scheme)
    return Connection(
        url=server.base,
        timeout=server.timeout,
        max_connections=server.max_connections,
        ssl_context=(
            trust(server.ca_file, door.client_cert) if encrypted or server.ca_file else None
        ),
        proxy=proxy,
        server=name,
        events=events,
        answer_limit=getattr(server, "answer_limit", ANSWER_LIMIT),
        headers=door.headers,
    )
