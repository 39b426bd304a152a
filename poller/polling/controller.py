"""One controller with all that is needed to collect its builds and to map them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from poller.core.patterns import Globs
from poller.jenkins.client import JenkinsClient
from poller.jenkins.models import Build
from poller.ledger.records import JobState
from poller.mapping.job_run import JobInfo, MappingConfig, SeiInstance, skipped
from poller.polling.console_log import LogCollector
from poller.polling.upstream import Upstream


@dataclass(frozen=True)
class Controller:
    """A controller as the config has it. ``since`` is epoch milliseconds."""

    name: str
    api: JenkinsClient
    upstream: Upstream
    console: LogCollector
    globs: Globs
    since: int
    identity: SeiInstance
    policy: MappingConfig
    parallel: int
    renumber: bool

    def wanted(self, full_name: str, build: Build) -> bool:
        """Whether the build will be sent: for one that won't, nothing more is asked."""
        return skipped(full_name, build, self.policy) is None

    def for_rules(self) -> Controller:
        """The same, to read logs for the rules alone and to keep none."""
        return dataclasses.replace(self, console=self.console.for_rules())

    def job_facts(self, item: str, state: JobState, *, multibranch: bool) -> JobInfo:
        """What mapping needs of a job; one created anew goes on counting, or not, as configured."""
        return JobInfo(
            item, state.generation, state.number_offset if self.renumber else 0, multibranch
        )
