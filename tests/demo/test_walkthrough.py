"""`demo`, as a newcomer types it."""

from __future__ import annotations

import subprocess
import sys

from tests.support.site import clean_environ


def test_sei_has_all_that_jenkins_has_in_the_end() -> None:
    """Exit code 0, and a line that says how to go on."""
    result = subprocess.run(
        [sys.executable, "-m", "poller", "demo"],
        capture_output=True,
        text=True,
        timeout=120,
        env=clean_environ(),
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "every build reached SEI, each once" in result.stdout
    assert "0 builds loaded" in " ".join(result.stdout.split())
    assert "sei-poller check" in " ".join(result.stdout.split())
    assert "Traceback" not in result.stderr
