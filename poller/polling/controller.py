"""One controller with all that is needed to collect its builds and to map them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from poller.core.events import Events
from poller.core.patterns import Globs
from poller.core.times import Clock
from poller.jenkins.client import JenkinsClient
from poller.jenkins.discovery import fetch_items
from poller.jenkins.item import ItemTree
from poller.jenkins.paths import MODULE, public_name
from poller.ledger import Ledger
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobState
from poller.mapping.map_build import MappingConfig
from poller.mapping.names import JobInfo, SeiInstance
from poller.mapping.rules import JobRules, rules_of
from poller.polling.extras.console_log import LogCollector
from poller.polling.extras.failures import FailureCollector
from poller.polling.extras.stage_trees import StageTrees
from poller.polling.extras.upstream import UpstreamCauses


@dataclass(frozen=True)
class Controller:
    """A controller as the config has it. ``sinks`` are the names of those that a new build is
    queued for; ``since`` is epoch milliseconds; ``renumber``: a job created anew goes on counting;
    ``modules``: those of Maven projects and matrices are collected where no rule says otherwise.
    """

    name: str
    client: JenkinsClient
    ledger: Ledger
    sinks: tuple[str, ...]
    clock: Clock
    events: Events
    globs: Globs
    since: int
    max_connections: int
    renumber: bool
    modules: bool
    instance: SeiInstance
    mapping: MappingConfig
    upstream: UpstreamCauses
    logs: LogCollector
    stages: StageTrees
    failures: FailureCollector

    def row(self) -> ControllerRow:
        """Its row in the ledger, made with ``since`` when it is new."""
        return self.ledger.controllers.get(self.name, self.since)

    def rules_of(self, full_name: str) -> JobRules:
        """The rules that match a job."""
        return rules_of(self.mapping.rules, public_name(full_name))

    async def items(self, depth: int | None, *, first: bool) -> ItemTree:
        """Every job, with the modules that the config asks for. Raises RemoteError."""
        asked = self.modules or any(rule.modules for rule in self.mapping.rules)
        tree = await fetch_items(self.client, depth, first=first, globs=self.globs, modules=asked)
        unwanted = [name for name in tree.items if MODULE in name and not self.wants_modules(name)]
        for name in unwanted:
            del tree.items[name]
        return tree

    def wants_modules(self, full_name: str) -> bool:
        """Whether modules of the job are collected: the first rule that says so, else the config
        of the controller."""
        said = (rule.modules for _, rule, _ in self.rules_of(full_name))
        return next((one for one in said if one is not None), self.modules)

    def for_rules_only(self) -> Controller:
        """The same, to read logs for the rules alone and to keep nothing."""
        return dataclasses.replace(
            self,
            logs=self.logs.for_rules_only(),
            stages=self.stages.without_ledger,
            failures=self.failures.for_rules_only(),
        )

    def job_info(self, item: str, state: JobState, *, multibranch: bool) -> JobInfo:
        """What mapping needs of a job; one created anew goes on counting, or not, as configured."""
        offset = state.number_offset if self.renumber else 0
        return JobInfo(item, 0, offset, multibranch, self.rules_of(item))
