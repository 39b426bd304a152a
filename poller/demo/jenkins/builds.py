"""One simulated build: its life, and what Jenkins remembers of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from poller.demo.jenkins.consoles import Console
from poller.demo.jenkins.stages import USUAL, Json, Stages, duration_of, ended

if TYPE_CHECKING:
    from poller.demo.jenkins.items import Job


NOT_BEGUN, RUNNING, PAUSED = "not begun", "running", "paused"
ABOUT_TO_END, POST_PRODUCTION, COMPLETED = "about to end", "post-production", "completed"

BEGUN = frozenset({RUNNING, PAUSED})

PLUGIN_ACTIONS = "org.jenkinsci.plugins."
DISPLAY = {"_class": PLUGIN_ACTIONS + "displayurlapi.actions.RunDisplayAction"}
LIBRARIES = {"_class": PLUGIN_ACTIONS + "workflow.libs.LibrariesAction"}
RESTART = {
    "_class": PLUGIN_ACTIONS + "pipeline.modeldefinition.actions.RestartDeclarativePipelineAction"
}
FLOW_GRAPH = {"_class": PLUGIN_ACTIONS + "workflow.job.views.FlowGraphAction"}
TEST_RESULT = "hudson.tasks.junit.Test"
INTERRUPTED = "jenkins.model.InterruptedBuildAction"
NO_CHANGES: Json = {"_class": "hudson.scm.EmptyChangeLogSet", "items": [], "kind": None}


class BuildInputs(TypedDict, total=False):
    """What a build is made of. ``upstream`` has triggered it, else ``user`` (``alice``) has;
    ``actions`` replaces all that Jenkins would put there."""

    actions: Sequence[Json] | None
    stages: Stages | None
    parameters: Mapping[str, Any]
    user: str
    change_sets: Sequence[Json]
    upstream: Build | None


class Build:
    """One build of a job. ``number``, ``timestamp``, ``duration``, ``result`` are Jenkins' own."""

    def __init__(
        self,
        job: Job,
        number: int,
        *,
        timestamp: int,
        queue_id: int,
        **inputs: Unpack[BuildInputs],
    ) -> None:
        stages = inputs.get("stages")
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
        self.test_report: Json | None = None
        self.matrix_runs: list[Json] = []
        self.user = inputs.get("user", "alice")
        self.upstream = inputs.get("upstream")
        self.parameters = dict(inputs.get("parameters", {}))
        self.change_sets = list(inputs.get("change_sets", ()))
        self.log: Console = f"Started by user {self.user}\n"
        self.stages: Stages = USUAL if stages is None else stages
        self.properties = job.kind.build_properties
        self.class_name = job.kind.build_class
        self._usual_stages = stages is None
        self._actions = inputs.get("actions")

    @property
    def building(self) -> bool:
        """Jenkins' ``building``: false already while run listeners work, and at the end of a
        pipeline whose result was set before."""
        if self.state == ABOUT_TO_END:
            return self.result is None
        return self.state == NOT_BEGUN or self.state in BEGUN

    @property
    def in_progress(self) -> bool:
        """Jenkins' ``inProgress``: a pipeline is not yet before it has begun, and no longer when
        its graph has ended; of others it ends later than ``building``."""
        late = self.state == POST_PRODUCTION and not self.job.kind.pipeline
        return self.state in BEGUN or late

    @property
    def completed(self) -> bool:
        """Nothing of the build will change."""
        return self.state == COMPLETED

    @property
    def last_completed(self) -> bool:
        """Whether ``lastCompletedBuild`` may name it: not while run listeners work."""
        return self.completed or (self.state == ABOUT_TO_END and not self.building)

    def fetch(self) -> Build:
        """The pipeline is scheduled, and has not begun: its Jenkinsfile is being fetched."""
        self.state = NOT_BEGUN
        return self

    def begin(self) -> None:
        """The Jenkinsfile is there, or somebody has agreed."""
        self.state = RUNNING

    def pause(self) -> None:
        """The pipeline waits at ``input``, off its node."""
        self.state = PAUSED

    def approach_end(self, result: str | None = None) -> Build:
        """The pipeline's graph has ended and its program is being saved. A ``result`` that was set
        before is shown, and may still change."""
        self.state, self.result = ABOUT_TO_END, result
        return self

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
            if self.state not in (POST_PRODUCTION, COMPLETED):
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

    def stay_as_it_is(self) -> None:
        """Killed at its very end: its record is what it was then, for ever."""
        self.state = COMPLETED
        self.job.jenkins.running.pop(self, None)

    def archive(self, path: str, content: bytes) -> None:
        """Archive a file of that path below the workspace."""
        self.archived[path] = content
        name = path.rpartition("/")[2]
        self.artifacts.append({"displayPath": name, "fileName": name, "relativePath": path})

    def report_tests(self, suites: Sequence[Json]) -> None:
        """Tests ran in it: ``suites`` of the plugin JUnit, each with its ``cases``."""
        self.test_report = {"_class": f"{TEST_RESULT}Result", "suites": list(suites)}

    @staticmethod
    def _test_counts(report: Json) -> Json:
        cases = [case for suite in report["suites"] for case in suite["cases"]]
        failed = sum(case["status"] in ("FAILED", "REGRESSION") for case in cases)
        skipped = sum(case["status"] == "SKIPPED" for case in cases)
        return {
            "_class": f"{TEST_RESULT}ResultAction",
            "failCount": failed,
            "skipCount": skipped,
            "totalCount": len(cases),
            "urlName": "testReport",
        }

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
        if self.test_report is not None:
            found.append(self._test_counts(self.test_report))
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
