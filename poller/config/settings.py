"""The whole config as frozen typed objects, and its small tables. Spans are milliseconds inside.

Each field's description is its line in the JSON Schema.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from poller.config.rules import Extract, Rule
from poller.config.servers import ControllerConfig, HarnessConfig, JsonlConfig, SeiConfig
from poller.config.types import Interval, Name, Regex, Span, Table
from poller.core.times import DAY_MS, HOUR_MS


class RedactConfig(Table):
    """Added to the built-in lists."""

    names: tuple[Name, ...] = Field((), description="Globs over parameter names never sent.")
    patterns: tuple[Regex, ...] = Field(
        (), description="Regular expressions (RE2) of secrets in text."
    )


class LedgerConfig(Table):
    """The program's memory."""

    path: str = Field(
        "", description="Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/sei-poller: ledger.db."
    )
    keep_payloads: Span = Field(14 * DAY_MS, description="How long after they are settled.")
    keep_logs: Span = Field(90 * DAY_MS, description="How long console logs are kept.")


class ReconcileConfig(Table):
    """What the service compares by itself: what it finds missing, it collects."""

    enabled: bool = Field(True, description="Compare a few jobs with Jenkins now and then.")
    every: Interval = Field(HOUR_MS, description="How often, at least 1s.")
    jobs: int = Field(10, ge=1, le=1_000, description="How many jobs each time: a request each.")


class StatusConfig(Table):
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

    controllers: tuple[ControllerConfig, ...] = Field(
        min_length=1, description="One a Jenkins server."
    )
    sei: SeiConfig | None = Field(None, description="The receiver.")
    harness: HarnessConfig | None = Field(None, description="A second sink: IaCM's executions.")
    jsonl: JsonlConfig | None = Field(None, description="A second sink: a file.")
    redact: RedactConfig = Field(RedactConfig(), description="What is never sent.")
    rules: tuple[Rule, ...] = Field((), description="First match wins.")
    extract: tuple[Extract, ...] = Field((), description="Read out of console logs.")
    ledger: LedgerConfig = Field(LedgerConfig(), description="The program's memory.")
    reconcile: ReconcileConfig = Field(
        ReconcileConfig(), description="What the service compares by itself."
    )
    status: StatusConfig = Field(StatusConfig(), description="The status page, metrics and health.")

    @property
    def sink_names(self) -> tuple[str, ...]:
        """The sinks that are configured, the main one first."""
        tables = {"sei": self.sei, "iacm": self.harness, "jsonl": self.jsonl}
        return tuple(name for name, table in tables.items() if table is not None)

    @property
    def sends_logs(self) -> bool:
        """Whether SEI is sent the logs of failed builds."""
        return self.sei is not None and self.sei.logs != "none"

    def logs_kept_of(self, controller: ControllerConfig) -> Literal["none", "failed", "all"]:
        """Its ``logs``; where it says nothing, those that SEI is sent."""
        if self.sei is None or "logs" in controller.model_fields_set:
            return controller.logs
        return self.sei.logs

    @field_validator("controllers")
    @classmethod
    def _names_differ(
        cls, controllers: tuple[ControllerConfig, ...]
    ) -> tuple[ControllerConfig, ...]:
        names = [controller.name for controller in controllers]
        for second, name in enumerate(names):
            if (first := names.index(name)) < second:
                raise PydanticCustomError(
                    "twice",
                    "controllers need names of their own; twice: {name}",
                    {"name": name, "first": first, "second": second},
                )
        return controllers

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.sei is None and self.jsonl is None:
            raise ValueError("[sei] is missing (or [jsonl]): where shall the runs go?")
        named = [rule.match for rule in self.rules if rule.iacm_workspace is not None]
        if named and self.harness is None:
            raise ValueError(f"[harness] is missing: the rule {named[0]} names an iacm_workspace")
        return self
