"""The tables of the servers: Jenkins, SEI, Harness, and the JSON Lines file."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, field_validator, model_validator

from poller.config.server import ServerConfig
from poller.config.types import (
    Address,
    Flag,
    Guid,
    Interval,
    Name,
    Size,
    Table,
    exactly_one,
)
from poller.core.times import parse_when

DEFAULT_RESULTS = {
    "SUCCESS": "SUCCESS",
    "FAILURE": "FAILURE",
    "UNSTABLE": "FAILURE",
    "ABORTED": "FAILURE",
    "NOT_BUILT": "FAILURE",
}
"""Jenkins' results → the two that SEI documents."""

SCM, SYSTEM = "SCMTrigger", "SYSTEM"
"""Who started a build where no person did, in the words of SEI's Jenkins plugin."""

DEFAULT_CAUSES = {
    "Timer": SYSTEM,
    **dict.fromkeys(
        (
            "SCM", "Push", "Hook", "PullRequest", "MergeRequest", "BranchEvent", "BranchIndexing",
            "Generic", "GitHub", "GitLab", "Bitbucket", "Gitea", "Gerrit", "Stash", "Ghprb",
        ),
        SCM,
    ),
}  # fmt: skip
"""A word in the class name of a cause → who started the build. The first one that is in it counts;
the webhooks' plugins have so many classes that no list of them is ever whole."""

DEFAULT_BODY_LIMIT = 480_000

BASES = {
    "PROD0": "https://accounts.harness.io/sei/api/v1",
    "PROD1": "https://app.harness.io/prod1/sei/api/v1",
    "PROD2": "https://app.harness.io/gratis/sei/api/v1",
    "PROD3": "https://app3.harness.io/sei/api/v1",
    "PROD4": "https://prod4.harness.io/sei/api/v1",
    "PROD6": "https://prod6.harness.io/sei/api/v1",
    "EU": "https://accounts.eu.harness.io/sei/api/v1",
}
"""SEI's environments, from its "Custom CI/CD integrations" page; PROD0, PROD4 and PROD6 from its
Jenkins plugin."""


class ControllerConfig(ServerConfig):
    """One Jenkins server."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("secret", "token"))

    name: Name = Field(description="Unique; also instance_name at SEI unless that is given.")
    url: Address = Field(description="Jenkins' address, with its context path.")
    user: Name = Field(description="A user with Overall/Read and Job/Read.")
    instance_guid: Guid | None = Field(
        None, description="SEI's id for this controller; `register` gets it, `run` needs it."
    )
    every: Interval = Field(60_000, description="The longest time between two polls, at least 1s.")
    cron: str | None = Field(None, description="Instead of every: five fields, in UTC.")
    since: str = Field("7d", description="The first poll begins here: WHEN, or all.")
    include: tuple[Name, ...] = Field(("**",), description="Globs over fullName to watch.")
    exclude: tuple[Name, ...] = Field((), description="Globs over fullName to leave out.")
    recreated_jobs: Literal["renumber", "as_is"] = Field(
        "renumber", description="build_number of a job created anew: go on, or as Jenkins counts."
    )
    stages: Literal["auto", "wfapi", "graph-view", "blue-ocean", "none"] = Field(
        "auto", description="The plugin that gives stages; auto: the first that is there."
    )
    logs: Literal["none", "failed", "all"] = Field(
        "none", description="Console logs to keep; default: none, or those that [sei] logs sends."
    )
    log_limit: Size = Field(2**20, description="The most that is kept of a console log.")
    modules: bool = Field(
        False, description="Collect Maven modules and matrix configurations, each as a run."
    )
    answer_limit: Size = Field(
        32 * 2**20, ge=2**20, description="The largest answer that is read; larger: in parts."
    )
    tests: Literal["none", "counts", "cases"] = Field(
        "none", description="Test results: TEST_TOTAL, TEST_FAILED, TEST_SKIPPED; failed cases too."
    )
    max_connections: int = Field(4, ge=1, le=32, description="Requests to Jenkins at once.")
    request_rate: float | None = Field(None, gt=0, description="Most requests a second.")
    instance_url: Address | None = Field(None, description="instance_url at SEI; default: url.")
    job_full_name: Literal["jenkins", "plugin"] = Field(
        "jenkins", description="Names as Jenkins has them, or as SEI's Jenkins plugin sends them."
    )
    instance_name: Name | None = Field(None, description="instance_name at SEI; default: name.")

    @property
    def effective_instance_name(self) -> str:
        """What SEI calls the controller."""
        return self.instance_name or self.name

    @property
    def effective_instance_url(self) -> str:
        """Where SEI's users find the controller."""
        return self.instance_url or self.url

    @field_validator("url")
    @classmethod
    def _not_of_an_answer(cls, url: str) -> str:
        """Below ``api/json`` Jenkins gives the same answer to every question."""
        for answer in ("api/json", "api/xml", "api/python"):
            if url.endswith(f"/{answer}/"):
                raise ValueError(f"leave {answer} out: {url.removesuffix(f'{answer}/')}")
        return url

    @field_validator("since")
    @classmethod
    def _since(cls, text: str) -> str:
        parse_when(text, 0)
        return text

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
    def _every_or_cron(self) -> Self:
        if self.cron is not None and "every" in self.model_fields_set:
            raise ValueError("either every or cron, not both")
        return self


class SeiConfig(ServerConfig):
    """The receiver."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("secret", "api_key"))

    environment: Literal["PROD0", "PROD1", "PROD2", "PROD3", "PROD4", "PROD6", "EU"] | None = Field(
        None, description="SEI's environment; or base_url."
    )
    url: Address | None = Field(  # type: ignore[assignment]  # `base` always has one
        None, alias="base_url", description="Instead: the URL before /custom-cicd."
    )
    request_rate: float = Field(6.0, gt=0, description="Most requests a second.")
    body_limit: int = Field(
        DEFAULT_BODY_LIMIT, ge=10_000, description="Most characters of a payload."
    )
    max_connections: int = Field(4, ge=1, le=32, description="Requests to SEI at once.")
    logs: Literal["none", "failed"] = Field(
        "none",
        description="failed: with their logs, as SEI's Jenkins plugin does; not documented by SEI.",
    )
    log_limit: Size = Field(2**20, description="The most that is sent of a log.")
    logs_limit: Size = Field(10 * 2**20, description="The most that is sent of a build's logs.")
    wait_for_guid: bool = Field(
        True, description="Runs of an instance_guid that SEI does not know wait: it drops them."
    )
    ignore_repos: tuple[Name, ...] = Field(
        (), description="Globs over repository URLs that a build is never about: shared libraries."
    )
    results: dict[str, Name] = Field(
        DEFAULT_RESULTS, description="Jenkins' result = SEI's result, or skip."
    )

    ci: Flag = Field(True, description="ci where neither a rule nor an artifact says.")
    cd: Flag = Field(False, description="cd where neither a rule nor an artifact says.")
    causes: dict[str, Name] = Field(
        DEFAULT_CAUSES, description="Word in a cause's class name = who started the build."
    )

    @property
    def base(self) -> str:
        """The URL before ``/custom-cicd``."""
        return self.url or BASES[self.environment or ""]

    @field_validator("url")
    @classmethod
    def _without_endpoint(cls, url: str | None) -> str | None:
        if url is not None and url.endswith("/custom-cicd/"):
            raise ValueError(f"leave custom-cicd out: {url.removesuffix('custom-cicd/')}")
        return url

    @field_validator("results")
    @classmethod
    def _over_the_defaults(cls, results: dict[str, str]) -> dict[str, str]:
        return {**DEFAULT_RESULTS, **results}

    @field_validator("causes")
    @classmethod
    def _before_the_defaults(cls, causes: dict[str, str]) -> dict[str, str]:
        return {**causes, **DEFAULT_CAUSES, **causes}

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        exactly_one(self, ("environment", "url"))
        return self


HARNESS = "https://app.harness.io/"
"""The public host, from Harness' API reference; a vanity URL is another."""

CHARACTERS = "letters, digits, _, $ and -"
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_$-]{1,128}$")]


class HarnessConfig(ServerConfig):
    """The Harness API 1.0: executions of IaCM workspaces. A second sink, beside SEI."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("secret", "api_key"))

    url: Address = Field(HARNESS, description="Harness' host, or a vanity URL.")
    account: Identifier = Field(description=f"Account ID, as in Harness' URLs: {CHARACTERS}.")
    org: Identifier = Field(description=f"Identifier of the organization: {CHARACTERS}.")
    project: Identifier = Field(description=f"Identifier of the project: {CHARACTERS}.")

    @property
    def max_connections(self) -> int:
        """One: the API reference asks for a single request at a time."""
        return 1


AnyServer: TypeAlias = ControllerConfig | SeiConfig | HarnessConfig


class JsonlConfig(Table):
    """A second sink: a file with one run a line."""

    path: Name = Field(description="The file; runs are appended.")
