"""How long one build takes to be mapped and encoded: 40 stages, 400 steps, each text another
one, and 20 rules."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from bench.figure import Figure
from bench.size import Say, Size
from poller.config.rules import Rule, When
from poller.config.servers import DEFAULT_RESULTS
from poller.jenkins.build import Action, Build
from poller.jenkins.stage import Stage, StageTree, Step
from poller.mapping.evidence import EnrichedBuild
from poller.mapping.map_build import MappingConfig, map_build
from poller.mapping.names import JobInfo, SeiInstance
from poller.mapping.params import redactor_of
from poller.mapping.redaction import Redactor
from poller.mapping.rules import rules_of
from poller.mapping.size_limit import limit_size

RUNS = 200
WARM_UP = 20
STAGES, STEPS = 40, 10
RULE_COUNT = 20
STARTED = 1_700_000_000_000
RULES = (
    *(
        Rule(
            match="team/*",
            when=When(branch=f"release-{n}", parameter={"P1": "x*"}),
            project_name="no",
        )
        for n in range(RULE_COUNT - 1)
    ),
    Rule(
        match="re:(?P<team>[^/]+)/.*", project_name="{team}", themes=("{param.P2|'none'}",), cd=True
    ),
)
GUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def build() -> tuple[Build, StageTree]:
    """A pipeline's build and its stage tree."""
    actions: list[Action | None] = [
        Action(
            "hudson.model.CauseAction",
            causes=[{"_class": "hudson.model.Cause$UserIdCause", "userId": "ada"}],
        ),
        Action(
            "hudson.model.ParametersAction",
            parameters=[
                {"_class": "hudson.model.StringParameterValue", "name": f"P{n}", "value": f"v{n}"}
                for n in range(10)
            ],
        ),
        Action(
            "hudson.plugins.git.util.BuildData",
            remoteUrls=["https://git.example.com/app.git"],
            lastBuiltRevision={"SHA1": "a" * 40, "branch": [{"name": "refs/remotes/origin/main"}]},
        ),
    ]
    stages = [
        Stage(
            str(stage * 100),
            f"Stage {stage}",
            "SUCCESS",
            "FINISHED",
            STARTED + stage * 10_000,
            10_000,
            steps=[
                Step(
                    str(stage * 100 + step + 1),
                    "Shell Script",
                    "SUCCESS",
                    "FINISHED",
                    STARTED + stage * 10_000 + step * 997,
                    997,
                    f"make -C module-{stage} target-{step} VERBOSE=1",
                )
                for step in range(STEPS)
            ],
        )
        for stage in range(STAGES)
    ]
    done = Build(7, STARTED, result="SUCCESS", inProgress=False, actions=actions)
    return done, StageTree(stages)


def milliseconds() -> list[float]:
    """To map the build and to encode its run, once each."""
    done, tree = build()
    policy = MappingConfig(DEFAULT_RESULTS, Redactor(), (), 480_000, RULES)
    instance = SeiInstance("main", GUID, "https://ci.example.com/")
    rules = rules_of(policy.rules, "team/app")
    job = JobInfo("team/app", 0, 0, multibranch=False, rules=rules)
    taken = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        enriched = EnrichedBuild(done, redactor_of(done, policy.redactor), tree)
        mapped = map_build(instance, job, enriched, policy)
        limit_size(mapped.run, policy.body_limit)  # type: ignore[union-attr]
        taken.append((time.perf_counter() - start) * 1000)
    return taken[WARM_UP:]


def figures(size: Size, say: Say) -> Iterator[Figure]:
    """Measure; the row."""
    say("mapping")
    passes = [statistics.median(milliseconds()) for _ in range(size.runs)]
    yield Figure("mapping a build of 40 stages, 400 steps, 20 rules", passes, " ms", 2, 1)
