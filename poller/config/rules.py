"""The config's tables that say how builds are mapped: ``[[rules]]`` and ``[[extract]]``."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from poller.config.types import (
    ARTIFACT_GROUPS,
    NAME_LENGTH,
    Flag,
    Name,
    Pattern,
    Regex,
    Table,
    Template,
    exactly_one,
    named_groups,
)
from poller.core.patterns import groups_of
from poller.core.template import names


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


TEMPLATES = ("project_name", "module_name", "pipeline", "branch_name", "user_id", "repo_url")


class When(Table):
    """What else has to hold for a rule, beside its match; all of it."""

    branch: Pattern | None = Field(None, description="The branch.")
    result: Pattern | None = Field(None, description="Jenkins' result.")
    cause: Pattern | None = Field(None, description="Class of one of the causes: *Timer*.")
    user: Pattern | None = Field(None, description="Who started it: user_id.")
    agent: Pattern | None = Field(
        None, description="Name of the agent; Jenkins does not tell it of a pipeline."
    )
    parameter: dict[str, Pattern] = Field({}, description="Parameter = pattern of its value.")

    @property
    def patterns(self) -> list[str]:
        """All of them."""
        own = (self.branch, self.result, self.cause, self.user, self.agent)
        return [one for one in own if one is not None] + list(self.parameter.values())


class Rule(Table):
    """What is said of some jobs' runs. The first rule that matches counts, or with ``continue``
    those after it, too, for what it does not say."""

    match: Pattern = Field(description="Glob over fullName, or re: and a regular expression.")
    when: When = Field(When(), description="What else has to hold.")
    go_on: bool = Field(
        False, alias="continue", description="Later rules say what this one does not."
    )
    project_name: Template | None = Field(None, description="project_name of the run.")
    module_name: Template | None = Field(None, description="module_name of the run.")
    themes: tuple[Template, ...] = Field((), max_length=100, description="themes of the run.")
    ci: Flag | None = Field(None, description="ci of the run; alone, cd is the opposite.")
    cd: Flag | None = Field(None, description="cd of the run; alone, ci is the opposite.")
    cfr_status: Annotated[bool | StageCondition | None, BeforeValidator(_cfr_status)] = Field(
        None, description="cfr_status of the run: true, false, or what a stage did."
    )
    pipeline: Template | None = Field(None, description="pipeline of the run.")
    branch_name: Template | None = Field(None, description="branch_name of the run.")
    user_id: Template | None = Field(None, description="user_id of the run.")
    repo_url: Template | None = Field(None, description="repo_url of the run.")
    result: Name | None = Field(None, description="result of the run, whatever Jenkins says.")
    job_run_params: dict[str, Template] = Field(
        {}, description="Parameters of the run, beside the build's or in their place."
    )
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
    skip: bool | Name = Field(False, description="Don't send these builds; or why not.")
    iacm_workspace: Name | None = Field(
        None, description="Record the builds at Harness IaCM, in this workspace; needs [harness]."
    )
    iacm_stage: Name | None = Field(
        None,
        description="Name of the stage that is recorded; default: the first one whose steps name"
        " terraform, tofu or terragrunt.",
    )

    @property
    def templates(self) -> dict[str, str]:
        """Its texts that may have places in them, by their keys."""
        own = {key: getattr(self, key) for key in TEMPLATES}
        own |= {f"themes.{place}": theme for place, theme in enumerate(self.themes)}
        own |= {f"job_run_params.{key}": text for key, text in self.job_run_params.items()}
        return {key: text for key, text in own.items() if text is not None}

    @cached_property
    def has_places(self) -> bool:
        """Whether one of them has."""
        return any("{" in text or "}" in text for text in self.templates.values())

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        known = {"job", "branch"}.union(*map(groups_of, (self.match, *self.when.patterns)))
        for key, text in self.templates.items():
            for name in sorted(names(text) - known):
                if not name.startswith("param."):
                    raise ValueError(
                        f"{key}: there is no {{{name}}}; there are {{job}}, {{branch}},"
                        " {param.NAME} and the named groups of the patterns"
                    )
        return self

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
        return named_groups(pattern, ARTIFACT_GROUPS, ARTIFACT_GROUPS[:3])


class CommitPattern(Table):
    """What of a console log line is a commit."""

    pattern: Regex = Field(description="RE2; named group commit.")

    @field_validator("pattern")
    @classmethod
    def _groups(cls, pattern: str) -> str:
        return named_groups(pattern, ("commit",), ("commit",))


class Extract(Table):
    """Read out of the console log."""

    match: Name = Field(description="Glob over fullName.")
    artifact: ArtifactPattern | None = Field(None, description="An artifact in the log.")
    commit: CommitPattern | None = Field(None, description="A commit in the log.")

    @model_validator(mode="after")
    def _choices(self) -> Self:
        exactly_one(self, ("artifact", "commit"))
        return self
