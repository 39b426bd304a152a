"""Memory of `reconcile` over one job's long history: `python -m bench.reconcile N`.

Every build is missing in the ledger, which is the most that it can have to tell.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from poller.demo.story import CONFIG, ENVIRON
from poller.demo.town import GUID

LIMIT_MIB = 120


def measured(builds: int) -> tuple[float, float]:
    """Peak memory in MiB, and seconds."""
    servers = subprocess.Popen(
        [sys.executable, "-m", "bench.servers", "1", str(builds), "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert servers.stdin is not None
    assert servers.stdout is not None
    urls = json.loads(servers.stdout.readline())
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "poller.toml"
        text = CONFIG.format(guid=GUID, ledger=Path(directory) / "ledger.db", **urls)
        path.write_text(text.replace('since = "30d"', 'since = "all"'))
        command = [sys.executable, "-m", "poller", "--config", str(path), "reconcile"]
        began = time.perf_counter()
        # 1: it found builds missing
        code = subprocess.run(
            command, stdout=subprocess.DEVNULL, env={**os.environ, **ENVIRON}, check=False
        ).returncode
        took = time.perf_counter() - began
    assert code == 1, code
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    servers.stdin.close()
    servers.wait()
    return peak, took


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    memory, seconds = measured(count)
    sys.stdout.write(
        f"reconcile of {count:,} builds: {memory:.0f} MiB (limit {LIMIT_MIB}), {seconds:.1f} s\n"
    )
