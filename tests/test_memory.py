"""A giant console log against the units' MemoryMax. ``LOG_MB`` is its size, 100 by default."""

from __future__ import annotations

import os
import subprocess
import sys

from poller.demo.consoles import LongLog
from tests.conftest import Site, clean_environ
from tests.test_units import SERVICES, values

MEGABYTES = int(os.environ.get("LOG_MB", "100"))
WIDTH = 200
JOBS = 4
"""As many logs as are read at once by default."""


def memory_max() -> int:
    """Bytes that every unit allows."""
    (limit,) = {value for unit in SERVICES for value in values(unit, "MemoryMax")}
    return int(limit.removesuffix("M")) * 2**20


def test_giant_logs_stay_far_below_the_units_limit(site: Site) -> None:
    """Several at a time, each kept with head and tail: a quarter of it is enough."""
    site.configure(site.controller(logs="all", timeout="600s"))
    for number in range(JOBS):
        build = site.jenkins.job(f"job-{number}").start()
        lines = MEGABYTES * 1_000_000 // WIDTH // JOBS
        build.log = LongLog(lines, WIDTH, lambda n: f"[INFO] line {n} of many")
        build.finish("FAILURE", 5)
    process = subprocess.Popen(
        [sys.executable, "-m", "poller", "--config", str(site.config), "once"],
        env={**clean_environ(), **site.environ},
        stdout=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{MEGABYTES} MB of logs: peak {peak / 2**20:.0f} MiB of {memory_max() / 2**20:.0f}")
    assert process.returncode == 0
    kept = site.run("logs", "job-0", "1")
    assert "line 0 of many" in kept.stdout
    assert peak < memory_max() / 4
