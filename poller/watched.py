"""One controller with all that is needed to collect its builds and to map them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from poller.globs import Globs
from poller.jenkins.api import Api
from poller.jenkins.console import Console
from poller.jenkins.model import Build
from poller.jenkins.upstream import Upstream
from poller.sei.mapping import Identity, JobFacts, Policy, skipped
from poller.watermark import JobState


@dataclass(frozen=True)
class Watched:
    """A controller as the config has it. ``since`` is epoch milliseconds."""

    name: str
    api: Api
    upstream: Upstream
    console: Console
    globs: Globs
    since: int
    identity: Identity
    policy: Policy
    parallel: int
    renumber: bool

    def wanted(self, full_name: str, build: Build) -> bool:
        """Whether the build will be sent: for one that won't, nothing more is asked."""
        return skipped(full_name, build, self.policy) is None

    def for_rules(self) -> Watched:
        """The same, to read logs for the rules alone and to keep none."""
        return dataclasses.replace(self, console=self.console.for_rules())

    def job_facts(self, item: str, state: JobState, *, multibranch: bool) -> JobFacts:
        """What mapping needs of a job; one created anew goes on counting, or not, as configured."""
        return JobFacts(item, state.generation, state.base if self.renumber else 0, multibranch)
