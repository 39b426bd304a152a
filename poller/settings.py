"""The config as frozen typed objects. Spans are milliseconds inside, sizes bytes.

Each field's description is its line in the JSON Schema.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from poller.regex import compiled
from poller.when import SIZE_FORM, SPAN_FORM, parse_size, parse_span, parse_when

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

ARTIFACT_GROUPS = ("location", "name", "qualifier", "hash")
"""The named groups of a pattern for artifacts; SEI needs the first three."""


def _text(parse: Callable[[str], int], form: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, str):
            raise ValueError(form)
        return parse(value)

    return read


def _regex(pattern: str) -> str:
    compiled(pattern)
    return pattern


def _named(pattern: str, known: Collection[str], needed: Collection[str]) -> str:
    """A pattern whose named groups are among ``known``, with all of ``needed``."""
    groups = set(compiled(pattern).groupindex)
    if unknown := sorted(groups - set(known)):
        raise ValueError(f"no such group: {', '.join(unknown)}; known are {', '.join(known)}")
    if missing := sorted(set(needed) - groups):
        raise ValueError(
            f"the named group is missing: {', '.join(missing)}, as (?P<{missing[0]}>…)"
        )
    return pattern


def _web_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a web address: https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no credentials in an address: they have keys of their own")
    if parts.query or parts.fragment:
        raise ValueError("no query in the address")
    return url if url.endswith("/") else url + "/"


def _proxy(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("a proxy is http://host:port")
    return url


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("a UUID, as SEI's POST cicd/instances gives it") from None


Span = Annotated[
    int,
    BeforeValidator(_text(parse_span, SPAN_FORM)),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ ?(ms|s|m|h|d|w)$"}),
]
Size = Annotated[
    int,
    BeforeValidator(_text(parse_size, SIZE_FORM)),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ ?(B|KiB|MiB|GiB)$"}),
]
Address = Annotated[str, AfterValidator(_web_address)]
Proxy = Annotated[str, AfterValidator(_proxy)]
Regex = Annotated[str, AfterValidator(_regex)]
Guid = Annotated[str, AfterValidator(_guid)]
NAME_LENGTH = 250
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]


class Table(BaseModel):
    """Frozen, and strict about keys and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def exactly_one(table: BaseModel, keys: tuple[str, ...]) -> None:
    """Refuse a table that has none of ``keys``, or several."""
    given = [key for key in keys if getattr(table, key) is not None]
    if len(given) != 1:
        raise ValueError(f"exactly one of {', '.join(keys)} is needed, here {len(given) or 'none'}")


def at_least_a_second(span: int) -> int:
    """Refuse a shorter one."""
    if span < 1_000:
        raise ValueError("at least 1s")
    return span


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
    every: Span = Field(60_000, description="Time between two polls, at least 1s.")
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

    @property
    def base(self) -> str:
        """The URL before ``/iacm``."""
        return self.url

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


class StageCondition(Table):
    """True when a stage of that name ran, or failed."""

    stage: Name = Field(description="Glob over the names of stages: Rollback*.")
    when: Literal["ran", "failed"] = Field(description="What the stage has to have done.")


CFR_FORM = 'true, false, or { stage = "Rollback*", when = "ran" } (or "failed")'


def _cfr_status(value: Any) -> Any:
    """Refuse what is neither, in one sentence instead of one for each half of the union."""
    if isinstance(value, dict):
        stage = value.get("stage")
        if (
            value.keys() != {"stage", "when"}
            or not (isinstance(stage, str) and 0 < len(stage) <= NAME_LENGTH)
            or value["when"] not in ("ran", "failed")
        ):
            raise ValueError(CFR_FORM)
    elif not isinstance(value, bool | StageCondition | None):
        raise ValueError(CFR_FORM)
    return value


class Rule(Table):
    """The first whose match fits a job counts."""

    match: Name = Field(description="Glob over fullName.")
    project_name: Name | None = Field(None, description="project_name of the run.")
    module_name: Name | None = Field(None, description="module_name of the run.")
    themes: tuple[Name, ...] = Field((), max_length=100, description="themes of the run.")
    ci: bool | None = Field(None, description="ci of the run; alone, cd is the opposite.")
    cd: bool | None = Field(None, description="cd of the run; alone, ci is the opposite.")
    cfr_status: Annotated[bool | StageCondition | None, BeforeValidator(_cfr_status)] = Field(
        None, description="cfr_status of the run: true, false, or what a stage did."
    )
    pipeline: Name | None = Field(None, description="pipeline of the run.")
    primary_repo: Name | None = Field(
        None,
        description="Glob over repository URLs: the one the build is about; default: the first.",
    )
    archived_files: tuple[Name, ...] = Field(
        (), description="Globs over paths of archived files that are artifacts of the run."
    )
    results: dict[str, Name] = Field(
        {}, description="Jenkins' result = SEI's result, or skip; before those of [sei.results]."
    )
    skip: bool = Field(False, description="Don't send builds of these jobs.")
    iacm_workspace: Name | None = Field(
        None, description="Record the builds at Harness IaCM, in this workspace; needs [harness]."
    )
    iacm_stage: Name | None = Field(
        None,
        description="Name of the stage that is recorded; default: the first one whose steps name"
        " terraform, tofu or terragrunt.",
    )

    @model_validator(mode="after")
    def _stage_of_a_workspace(self) -> Self:
        if self.iacm_stage is not None and self.iacm_workspace is None:
            raise ValueError("iacm_stage without iacm_workspace: of which workspace?")
        return self


class ArtifactPattern(Table):
    """What of a console log line is an artifact."""

    pattern: Regex = Field(description="RE2; named groups location, name, qualifier, maybe hash.")
    type: Name = Field(description="The artifact's type, as container.")
    input: bool = Field(False, description="The build used it.")
    output: bool = Field(False, description="The build made it.")

    @field_validator("pattern")
    @classmethod
    def _groups(cls, pattern: str) -> str:
        return _named(pattern, ARTIFACT_GROUPS, ARTIFACT_GROUPS[:3])


class CommitPattern(Table):
    """What of a console log line is a commit."""

    pattern: Regex = Field(description="RE2; named group commit.")

    @field_validator("pattern")
    @classmethod
    def _groups(cls, pattern: str) -> str:
        return _named(pattern, ("commit",), ("commit",))


class Extract(Table):
    """Read out of the console log."""

    match: Name = Field(description="Glob over fullName.")
    artifact: ArtifactPattern | None = Field(None, description="An artifact in the log.")
    commit: CommitPattern | None = Field(None, description="A commit in the log.")

    @model_validator(mode="after")
    def _choices(self) -> Self:
        exactly_one(self, ("artifact", "commit"))
        return self


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
