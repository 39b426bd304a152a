"""One controller with all that is needed to collect its builds and to map them."""

from __future__ import annotations

from dataclasses import dataclass

from poller.globs import Globs
from poller.jenkins.api import Api
from poller.jenkins.console import Console
from poller.sei.mapping import Identity, JobFacts, Policy
from poller.watermark import JobState


@dataclass(frozen=True)
class Watched:
    """A controller as the config has it. ``since`` is epoch milliseconds."""

    name: str
    api: Api
    console: Console
    globs: Globs
    since: int
    identity: Identity
    policy: Policy
    parallel: int
    renumber: bool

    def job_facts(self, item: str, state: JobState, *, multibranch: bool) -> JobFacts:
        """What mapping needs of a job; one created anew goes on counting, or not, as configured."""
        return JobFacts(item, state.generation, state.base if self.renumber else 0, multibranch)
