"""The config as frozen typed objects. Spans are milliseconds inside, sizes bytes.

Each field's description is its line in the JSON Schema.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from poller.rule_settings import Extract, Rule
from poller.setting_types import (
    Address,
    Guid,
    Name,
    Proxy,
    Regex,
    Size,
    Span,
    Table,
    at_least_a_second,
    exactly_one,
    in_clear_only_if_allowed,
)
from poller.when import parse_when

DEFAULT_RESULTS = {
    "SUCCESS": "SUCCESS",
    "FAILURE": "FAILURE",
    "UNSTABLE": "FAILURE",
    "ABORTED": "FAILURE",
    "NOT_BUILT": "FAILURE",
}
"""Jenkins' results → the two that SEI documents."""

BASES = {
    "PROD1": "https://app.harness.io/prod1/sei/api/v1",
    "PROD2": "https://app.harness.io/gratis/sei/api/v1",
    "PROD3": "https://app3.harness.io/sei/api/v1",
    "EU": "https://accounts.eu.harness.io/sei/api/v1",
}
"""SEI's environments, from its "Custom CI/CD integrations" page."""


class Controller(Table):
    """One Jenkins server."""

    name: Name = Field(description="Unique; also instance_name at SEI unless that is given.")
    url: Address = Field(description="Jenkins' address, with its context path.")
    user: Name = Field(description="A user with Overall/Read and Job/Read.")
    token_env: Name | None = Field(None, description="Environment variable that holds its token.")
    token_file: Name | None = Field(None, description="File that holds its token.")
    token_credential: Name | None = Field(None, description="systemd credential, its token.")
    instance_guid: Guid | None = Field(
        None, description="SEI's id for this controller; `register` gets it, `run` needs it."
    )
    every: Span = Field(60_000, description="The longest time between two polls, at least 1s.")
    cron: str | None = Field(None, description="Instead of every: five fields, in UTC.")
    since: str = Field("7d", description="The first poll begins here: WHEN, or all.")
    include: tuple[Name, ...] = Field(("**",), description="Globs over fullName to watch.")
    exclude: tuple[Name, ...] = Field((), description="Globs over fullName to leave out.")
    recreated_jobs: Literal["renumber", "as_is"] = Field(
        "renumber", description="build_number of a job created anew: go on, or as Jenkins counts."
    )
    logs: Literal["none", "failed", "all"] = Field("none", description="Console logs to keep.")
    log_limit: Size = Field(2**20, description="The most that is kept of a console log.")
    max_connections: int = Field(4, ge=1, le=32, description="Requests to Jenkins at once.")
    request_rate: float | None = Field(None, gt=0, description="Most requests a second.")
    timeout: Span = Field(30_000, description="The longest wait for one whole answer.")
    ca_file: Name | None = Field(None, description="CA bundle (PEM) to trust instead.")
    proxy: Proxy | None = Field(None, description="HTTP proxy; default: the environment's.")
    allow_http: bool = Field(
        False, validate_default=True, description="Send the secret over http://, in clear."
    )
    instance_url: Address | None = Field(None, description="instance_url at SEI; default: url.")
    instance_name: Name | None = Field(None, description="instance_name at SEI; default: name.")

    @property
    def effective_instance_name(self) -> str:
        """What SEI calls the controller."""
        return self.instance_name or self.name

    @property
    def effective_instance_url(self) -> str:
        """Where SEI's users find the controller."""
        return self.instance_url or self.url

    _in_clear = field_validator("allow_http")(in_clear_only_if_allowed)

    @field_validator("since")
    @classmethod
    def _since(cls, text: str) -> str:
        parse_when(text, 0)
        return text

    @field_validator("every", "timeout")
    @classmethod
    def _not_too_short(cls, span: int) -> int:
        return at_least_a_second(span)

    @field_validator("cron")
    @classmethod
    def _cron(cls, line: str | None) -> str | None:
        if line is not None:
            from apscheduler.triggers.cron import CronTrigger

            try:
                CronTrigger.from_crontab(line, timezone="UTC")
            except ValueError as error:
                raise ValueError(f"five cron fields like */5 * * * *: {error}") from None
        return line

    @model_validator(mode="after")
    def _choices(self) -> Self:
        exactly_one(self, ("token_env", "token_file", "token_credential"))
        if self.cron is not None and "every" in self.model_fields_set:
            raise ValueError("either every or cron, not both")
        return self


class Sei(Table):
    """The receiver."""

    environment: Literal["PROD1", "PROD2", "PROD3", "EU"] | None = Field(
        None, description="SEI's environment; or base_url."
    )
    base_url: Address | None = Field(None, description="Instead: the URL before /custom-cicd.")
    api_key_env: Name | None = Field(None, description="Environment variable that holds the key.")
    api_key_file: Name | None = Field(None, description="File that holds the key.")
    api_key_credential: Name | None = Field(None, description="systemd credential, the key.")
    request_rate: float = Field(6.0, gt=0, description="Most requests a second.")
    body_limit: int = Field(480_000, ge=10_000, description="Most characters of a payload.")
    max_connections: int = Field(4, ge=1, le=32, description="Requests to SEI at once.")
    timeout: Span = Field(30_000, description="The longest wait for one answer.")
    ca_file: Name | None = Field(None, description="CA bundle (PEM) to trust instead.")
    proxy: Proxy | None = Field(None, description="HTTP proxy; default: the environment's.")
    allow_http: bool = Field(
        False, validate_default=True, description="Send the secret over http://, in clear."
    )
    ignore_repos: tuple[Name, ...] = Field(
        (), description="Globs over repository URLs that a build is never about: shared libraries."
    )
    results: dict[str, Name] = Field(
        DEFAULT_RESULTS, description="Jenkins' result = SEI's result, or skip."
    )

    @property
    def base(self) -> str:
        """The URL before ``/custom-cicd``."""
        return self.base_url or BASES[self.environment or ""]

    _in_clear = field_validator("allow_http")(in_clear_only_if_allowed)

    @field_validator("results")
    @classmethod
    def _over_the_defaults(cls, results: dict[str, str]) -> dict[str, str]:
        return {**DEFAULT_RESULTS, **results}

    @model_validator(mode="after")
    def _choices(self) -> Self:
        exactly_one(self, ("environment", "base_url"))
        exactly_one(self, ("api_key_env", "api_key_file", "api_key_credential"))
        return self


HARNESS = "https://app.harness.io/"
"""The public host, from Harness' API reference; a vanity URL is another."""

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_$-]{1,128}$")]


class Harness(Table):
    """The Harness API 1.0: executions of IaCM workspaces. A second sink, beside SEI."""

    url: Address = Field(HARNESS, description="Harness' host, or a vanity URL.")
    account: Identifier = Field(description="Account ID, as in Harness' URLs.")
    org: Identifier = Field(description="Identifier of the organization.")
    project: Identifier = Field(description="Identifier of the project.")
    api_key_env: Name | None = Field(None, description="Environment variable that holds the key.")
    api_key_file: Name | None = Field(None, description="File that holds the key.")
    api_key_credential: Name | None = Field(None, description="systemd credential, the key.")
    timeout: Span = Field(30_000, description="The longest wait for one answer.")
    ca_file: Name | None = Field(None, description="CA bundle (PEM) to trust instead.")
    proxy: Proxy | None = Field(None, description="HTTP proxy; default: the environment's.")
    allow_http: bool = Field(
        False, validate_default=True, description="Send the secret over http://, in clear."
    )

    @property
    def base(self) -> str:
        """The URL before ``/iacm``."""
        return self.url

    _in_clear = field_validator("allow_http")(in_clear_only_if_allowed)

    @property
    def max_connections(self) -> int:
        """One: the API reference asks for a single request at a time."""
        return 1

    @field_validator("timeout")
    @classmethod
    def _not_too_short(cls, span: int) -> int:
        return at_least_a_second(span)

    @model_validator(mode="after")
    def _choices(self) -> Self:
        exactly_one(self, ("api_key_env", "api_key_file", "api_key_credential"))
        return self


class Jsonl(Table):
    """A second sink: a file with one run a line."""

    path: Name = Field(description="The file; runs are appended.")


class Redact(Table):
    """Added to the built-in lists."""

    names: tuple[Name, ...] = Field((), description="Globs over parameter names never sent.")
    patterns: tuple[Regex, ...] = Field(
        (), description="Regular expressions (RE2) of secrets in text."
    )


class Ledger(Table):
    """The program's memory."""

    path: str = Field(
        "", description="Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/sei-poller: ledger.db."
    )
    keep_payloads: Span = Field(1_209_600_000, description="How long after they are settled.")
    keep_logs: Span = Field(7_776_000_000, description="How long console logs are kept.")


class Reconcile(Table):
    """What the service compares by itself, so that a hole heals without anyone asking."""

    enabled: bool = Field(True, description="Compare a few jobs with Jenkins now and then.")
    every: Span = Field(3_600_000, description="How often, at least 1s.")
    jobs: int = Field(10, ge=1, le=1_000, description="How many jobs each time: a request each.")

    @field_validator("every")
    @classmethod
    def _not_too_short(cls, span: int) -> int:
        return at_least_a_second(span)


class Status(Table):
    """The status page, metrics and health of `run`."""

    listen: str | None = Field(
        None,
        pattern=r"^((\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):)?\d{1,5}$",
        description="HOST:PORT, or a port on loopback; without it there is no page.",
    )
    hosts: tuple[Name, ...] = Field(
        (), description="Names the page answers to, beside addresses, localhost and listen's host."
    )

    @field_validator("listen")
    @classmethod
    def _port(cls, listen: str | None) -> str | None:
        if listen is not None and int(listen.rpartition(":")[2]) > 65_535:
            raise ValueError("a port is at most 65535")
        return listen


class Settings(Table):
    """The whole config."""

    controllers: tuple[Controller, ...] = Field(min_length=1, description="One a Jenkins server.")
    sei: Sei | None = Field(None, description="The receiver.")
    harness: Harness | None = Field(None, description="A second sink: IaCM's executions.")
    jsonl: Jsonl | None = Field(None, description="A second sink: a file.")
    redact: Redact = Field(Redact(), description="What is never sent.")
    rules: tuple[Rule, ...] = Field((), description="First match wins.")
    extract: tuple[Extract, ...] = Field((), description="Read out of console logs.")
    ledger: Ledger = Field(Ledger(), description="The program's memory.")
    reconcile: Reconcile = Field(Reconcile(), description="What the service compares by itself.")
    status: Status = Field(Status(), description="The status page, metrics and health.")

    @property
    def sink_names(self) -> tuple[str, ...]:
        """The sinks that are configured, the main one first."""
        tables = {"sei": self.sei, "iacm": self.harness, "jsonl": self.jsonl}
        return tuple(name for name, table in tables.items() if table is not None)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [controller.name for controller in self.controllers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"controllers need names of their own; twice: {', '.join(twice)}")
        if self.sei is None and self.jsonl is None:
            raise ValueError("[sei] is missing (or [jsonl]): where shall the runs go?")
        named = [rule.match for rule in self.rules if rule.iacm_workspace is not None]
        if named and self.harness is None:
            raise ValueError(f"[harness] is missing: the rule {named[0]} names an iacm_workspace")
        return self
