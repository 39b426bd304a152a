"""``cfr_status``: fixed by a rule, or what a stage of the build did. Pure.

A declarative stage that was skipped because one before it failed is FAILED in wfapi, too, with the
error of that one and no steps (measured): it did not run.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from poller.jenkins.model import Stage, StageTree
from poller.rule_settings import StageCondition

FAILED = "FAILED"
NOT_RUN = ("NOT_EXECUTED", None)


def cfr_status(setting: bool | StageCondition | None, tree: StageTree | None) -> bool | None:
    """What the rule says of the build; None where nothing can be said: no rule, or no stages to
    look at."""
    if not isinstance(setting, StageCondition):
        return setting
    if tree is None:
        return None
    return any(
        fnmatch.fnmatchcase(stage.name or "", setting.stage)
        and (setting.when == "ran" or stage.status == FAILED)
        for stage in stages_that_ran(tree)
    )


def stages_that_ran(tree: StageTree) -> Iterator[Stage]:
    """Those that did something."""
    errors: list[str | None] = []
    for stage in tree.stages:
        error = stage.error.message if stage.error is not None else None
        skipped = not stage.stageFlowNodes and stage.error is not None and error in errors
        if stage.status not in NOT_RUN and not skipped:
            yield stage
        if stage.error is not None:
            errors.append(error)
