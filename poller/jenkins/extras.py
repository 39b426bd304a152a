"""What is asked for a completed build besides its stage tree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from poller.jenkins.console import Console
from poller.jenkins.model import Build
from poller.jenkins.upstream import Upstream


@dataclass(frozen=True)
class Extras:
    """Of one controller. ``wanted(full_name, build)`` tells whether the build will be sent: for
    one that won't, nothing more is asked."""

    upstream: Upstream
    console: Console
    wanted: Callable[[str, Build], bool]

    def for_rules(self) -> Extras:
        """The same, to read logs for the rules alone and to keep none."""
        return dataclasses.replace(self, console=self.console.for_rules())
