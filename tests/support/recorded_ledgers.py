"""The builds that the ledgers of earlier versions in ``tests/ledgers`` have: see the README there."""

from __future__ import annotations

from poller.demo.jenkins.items import Jenkins
from tests.support.simulated_iacm_site import TERRAFORM

_START_MS = 1_700_000_000_000


def build_refused(jenkins: Jenkins) -> None:
    """The build that SEI refuses."""
    jenkins.job("old", kind="freestyle").build(
        result="FAILURE", timestamp=_START_MS + 6_000, duration=980
    )


def build_delivered(jenkins: Jenkins) -> None:
    """Three builds that SEI takes, and two that run."""
    app = jenkins.job("team/app")
    for number, stages in ((1, TERRAFORM), (2, None), (3, TERRAFORM)):
        app.build(timestamp=_START_MS + number * 1_000, stages=stages, duration=980)
    for number in (4, 5):
        app.start(timestamp=_START_MS + number * 1_000)


def build_queued(jenkins: Jenkins) -> None:
    """The build that waits, and the end of one that ran: it is deleted."""
    jenkins.job("team/app").delete_build(5)
    jenkins.job("old").build(timestamp=_START_MS + 7_000, duration=980)
