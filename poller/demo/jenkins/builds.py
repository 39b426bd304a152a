"""One simulated build: its life, and what Jenkins remembers of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from poller.demo.jenkins.consoles import Console
from poller.demo.jenkins.stages import USUAL, Json, Stages, duration_of, ended

if TYPE_CHECKING:
    from poller.demo.jenkins.items import Job


RUNNING, PAUSED, POST_PRODUCTION, COMPLETED = "running", "paused", "post-production", "completed"

LIVE = frozenset({RUNNING, PAUSED})

PLUGIN_ACTIONS = "org.jenkinsci.plugins."
DISPLAY = {"_class": PLUGIN_ACTIONS + "displayurlapi.actions.RunDisplayAction"}
LIBRARIES = {"_class": PLUGIN_ACTIONS + "workflow.libs.LibrariesAction"}
RESTART = {
    "_class": PLUGIN_ACTIONS + "pipeline.modeldefinition.actions.RestartDeclarativePipelineAction"
}
FLOW_GRAPH = {"_class": PLUGIN_ACTIONS + "workflow.job.views.FlowGraphAction"}
INTERRUPTED = "jenkins.model.InterruptedBuildAction"
NO_CHANGES: Json = {"_class": "hudson.scm.EmptyChangeLogSet", "items": [], "kind": None}


class Build:
    """One build of a job. ``number``, ``timestamp``, ``duration``, ``result`` are Jenkins' own."""

    def __init__(
        self,
        job: Job,
        number: int,
        *,
        timestamp: int,
        queue_id: int,
        actions: Sequence[Json] | None = None,
        stages: Stages | None = None,
        parameters: Mapping[str, Any] | None = None,
        user: str = "alice",
        change_sets: Sequence[Json] | None = None,
        upstream: Build | None = None,
    ) -> None:
        self.job = job
        self.number = number
        self.timestamp = timestamp
        self.queue_id = queue_id
        self.duration = 0
        self.result: str | None = None
        self.state = RUNNING
        self.description: str | None = None
        self.artifacts: list[Json] = []
        self.archived: dict[str, bytes] = {}
        self.culprits: list[Json] = []
        self.matrix_runs: list[Json] = []
        self.user = user
        self.upstream = upstream
        self.parameters = dict(parameters or {})
        self.change_sets = list(change_sets or [])
        self.log: Console = f"Started by user {user}\n"
        self.stages: Stages = USUAL if stages is None else stages
        self.properties = job.kind.build_properties
        self.class_name = job.kind.build_class
        self._usual_stages = stages is None
        self._actions = actions

    @property
    def building(self) -> bool:
        """Jenkins' ``building``: false already while run listeners work."""
        return self.state in LIVE

    @property
    def in_progress(self) -> bool:
        """Jenkins' ``inProgress``; of a pipeline it ends with ``building``, of others later."""
        return self.building or (self.state == POST_PRODUCTION and not self.job.kind.pipeline)

    @property
    def completed(self) -> bool:
        """Nothing of the build will change."""
        return self.state == COMPLETED

    @property
    def ended_in_post_production(self) -> bool:
        """Run listeners still work: ``lastCompletedBuild`` does not show it yet."""
        return self.state == POST_PRODUCTION

    def pause(self) -> None:
        """The pipeline waits at ``input``, off its node."""
        self.state = PAUSED

    def finish(
        self,
        result: str = "SUCCESS",
        duration: int | None = None,
        post_production: bool = False,
    ) -> Build:
        """End the build; without ``duration`` it took until now. Once more after
        ``post_production``, which leaves the run listeners at work, completes it."""
        jenkins = self.job.jenkins
        with jenkins.lock:
            if self.state in LIVE:
                self.result = result
                passed = max(1, jenkins.clock() - self.timestamp)
                self.duration = passed if duration is None else duration
                self.log = self.log + f"Finished: {result}\n"
                if self._usual_stages:
                    self.stages = ended(self.stages, result)
            self.state = POST_PRODUCTION if post_production else COMPLETED
            if self.completed:
                jenkins.running.pop(self, None)
        return self

    def archive(self, path: str, content: bytes) -> None:
        """Archive a file of that path below the workspace."""
        self.archived[path] = content
        name = path.rpartition("/")[2]
        self.artifacts.append({"displayPath": name, "fileName": name, "relativePath": path})

    def usual_duration(self) -> int:
        """What its stages take, in milliseconds."""
        return duration_of(self.stages)

    def actions(self) -> list[Json]:
        """Jenkins' ``actions[]``, with the bare objects of actions that export nothing."""
        if self._actions is not None:
            return list(self._actions)
        cause = _by_user(self.user) if self.upstream is None else _by_upstream(self.upstream)
        found: list[Json] = [{"_class": "hudson.model.CauseAction", "causes": [cause]}]
        if self.parameters:
            found.append(
                {
                    "_class": "hudson.model.ParametersAction",
                    "parameters": [_parameter(*item) for item in self.parameters.items()],
                }
            )
        if self.result == "ABORTED":
            by = {
                "_class": "jenkins.model.CauseOfInterruption$UserInterruption",
                "shortDescription": f"Aborted by {self.user}",
            }
            found.append({"_class": INTERRUPTED, "causes": [by]})
        if not self.job.kind.pipeline:
            return [*found, {}, DISPLAY]
        return [*found, LIBRARIES, {}, {}, DISPLAY, RESTART, {}, FLOW_GRAPH, {}, {}, {}]


def _by_user(user: str) -> Json:
    return {
        "_class": "hudson.model.Cause$UserIdCause",
        "shortDescription": f"Started by user {user}",
        "userId": user,
        "userName": user,
    }


def _by_upstream(build: Build) -> Json:
    name = build.job.full_name
    return {
        "_class": "hudson.model.Cause$UpstreamCause",
        "shortDescription": f'Started by upstream project "{name}" build number {build.number}',
        "upstreamBuild": build.number,
        "upstreamProject": name,
        "upstreamUrl": "".join(f"job/{part}/" for part in name.split("/")),
    }


def _parameter(name: str, value: object) -> Json:
    kind = "BooleanParameterValue" if isinstance(value, bool) else "StringParameterValue"
    return {"_class": f"hudson.model.{kind}", "name": name, "value": value}
