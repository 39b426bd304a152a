"""One controller with all that is needed to collect its builds and to map them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from poller.core.events import Events
from poller.core.patterns import Globs
from poller.core.times import Clock
from poller.jenkins.client import JenkinsClient
from poller.ledger import Ledger
from poller.ledger.controllers import ControllerRow
from poller.ledger.records import JobState
from poller.mapping.map_build import MappingConfig
from poller.mapping.names import JobInfo, SeiInstance
from poller.mapping.rules import JobRules, rules_of
from poller.polling.extras.console_log import LogCollector
from poller.polling.extras.stage_trees import StageTrees
from poller.polling.extras.upstream import UpstreamCauses


@dataclass(frozen=True)
class Controller:
    """A controller as the config has it. ``sinks`` are the names of those that a new build is
    queued for; ``since`` is epoch milliseconds; ``renumber``: a job created anew goes on counting.
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
    instance: SeiInstance
    mapping: MappingConfig
    upstream: UpstreamCauses
    logs: LogCollector
    stages: StageTrees

    def row(self) -> ControllerRow:
        """Its row in the ledger, made with ``since`` when it is new."""
        return self.ledger.controllers.get(self.name, self.since)

    def rules_of(self, full_name: str) -> JobRules:
        """The rules that match a job."""
        return rules_of(self.mapping.rules, full_name)

    def for_rules_only(self) -> Controller:
        """The same, to read logs for the rules alone and to keep nothing."""
        return dataclasses.replace(
            self, logs=self.logs.for_rules_only(), stages=self.stages.without_ledger
        )

    def job_info(self, item: str, state: JobState, *, multibranch: bool) -> JobInfo:
        """What mapping needs of a job; one created anew goes on counting, or not, as configured."""
        offset = state.number_offset if self.renumber else 0
        return JobInfo(item, 0, offset, multibranch, self.rules_of(item))
