"""Before anything is believed of a controller: is it the one that the ledger knows?"""

from __future__ import annotations

from poller.jenkins.identity import identified
from poller.ledger import ControllerRow, Ledger
from poller.watched import Watched

SAMPLES = 3
"""Builds of jobs built last, and of jobs not built for longest, that tell a Jenkins by."""


async def recognise(watched: Watched, ledger: Ledger, row: ControllerRow) -> None:
    """Make sure of it after a look: no request while Jenkins has not been started anew.

    Raises BadAnswer when it is another Jenkins; RemoteError.
    """
    if row.session == watched.api.session:
        return
    samples = ledger.jobs.samples(row.id, SAMPLES)
    identity = await identified(watched.api, row.identity, samples)
    ledger.controllers.recognised(row.id, watched.api.session, identity)
