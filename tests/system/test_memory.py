"""A giant console log against the units' MemoryMax."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poller.demo.jenkins.consoles import LongLog
from tests.support.campaign import sizes
from tests.support.site import Site, clean_environ
from tests.support.unit_files import SERVICES, values

WIDTH = 200
JOBS = 4
"""As many logs as are read at once by default."""


def memory_max() -> int:
    """Bytes that every unit allows."""
    (limit,) = {value for unit in SERVICES for value in values(unit, "MemoryMax")}
    return int(limit.removesuffix("M")) * 2**20


@pytest.mark.parametrize("megabytes", sizes(50, 100))
def test_giant_logs_stay_far_below_the_units_limit(site: Site, megabytes: int) -> None:
    """Several at a time, each kept with head and tail: a quarter of it is enough."""
    site.configure(site.controller(logs="all", timeout="600s"))
    for number in range(JOBS):
        build = site.jenkins.job(f"job-{number}").start()
        lines = megabytes * 1_000_000 // WIDTH // JOBS
        build.log = LongLog(lines, WIDTH, lambda n: f"[INFO] line {n} of many")
        build.finish("FAILURE", 5)
    process = subprocess.Popen(
        [sys.executable, "-m", "poller", "--config", str(site.config), "once"],
        env={**clean_environ(), **site.environ},
        stdout=subprocess.DEVNULL,
    )
    peak = 0
    while process.poll() is None:  # what wait4 tells has the memory of the tests in it, before exec
        with contextlib.suppress(OSError, TypeError):
            text = Path(f"/proc/{process.pid}/status").read_text()
            peak = int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) * 1024  # type: ignore[index]
        time.sleep(0.02)
    print(f"{megabytes} MB of logs: peak {peak / 2**20:.0f} MiB of {memory_max() / 2**20:.0f}")
    assert process.returncode == 0
    kept = site.run("logs", "job-0", "1")
    assert "line 0 of many" in kept.stdout
    assert peak < memory_max() / 4
