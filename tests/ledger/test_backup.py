"""A ledger that is backed up while it is used, lost, and restored."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.support.site import Site


def numbers(site: Site) -> list[int]:
    """The builds at SEI, in the order in which they came."""
    return [run["build_number"] for run in site.sei.received]


def test_an_older_ledger_goes_on(site: Site) -> None:
    """What was sent since the backup is sent again, as the same runs; nothing is left out."""
    site.jenkins.job("app").build()
    site.run("once")
    copy = site.directory / "copy.db"
    with closing(sqlite3.connect(site.ledger)) as used, closing(sqlite3.connect(copy)) as backup:
        used.backup(backup)
    site.jenkins.job("app").build()
    site.run("once")
    for file in site.directory.glob("ledger.db*"):
        file.unlink()
    copy.rename(site.ledger)
    site.jenkins.job("app").build()
    assert site.run("once").returncode == 0
    assert numbers(site) == [1, 2, 2, 3]
    first, second = (run for run in site.sei.received if run["build_number"] == 2)
    assert first == second
    assert site.run("reconcile").returncode == 0


def test_a_lost_ledger_begins_anew(site: Site) -> None:
    """From `since` on, with the same ids from any machine: SEI knows each run again."""
    for _ in range(2):
        site.jenkins.job("app").build()
    site.run("once")
    for file in site.directory.glob("ledger.db*"):
        file.unlink()
    site.jenkins.job("app").build()
    assert site.run("once").returncode == 0
    assert numbers(site) == [1, 2, 1, 2, 3]
    assert site.sei.received[:2] == site.sei.received[2:4]
