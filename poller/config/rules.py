"""The config's tables that say how builds are mapped: ``[[rules]]`` and ``[[extract]]``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from poller.config.types import (
    ARTIFACT_GROUPS,
    NAME_LENGTH,
    Flag,
    Name,
    Regex,
    Table,
    exactly_one,
    named_groups,
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
    ci: Flag | None = Field(None, description="ci of the run; alone, cd is the opposite.")
    cd: Flag | None = Field(None, description="cd of the run; alone, ci is the opposite.")
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
