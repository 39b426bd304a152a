"""Files for our own user's eyes, whatever the umask; and `check` on those that others reach."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from poller.actions.check.files import exposed
from poller.config.load import load
from poller.core.private_files import open_private
from tests.support.site import KEY, TOKEN, Site, clean_environ, free_port
from tests.support.waiting import wait_for


def modes(folder: Path) -> dict[str, int]:
    """The mode of each file and folder below."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def unmasked(site: Site, *arguments: str) -> subprocess.Popen[str]:
    """The command under a umask of 0, which takes nothing away."""
    return subprocess.Popen(
        [sys.executable, "-m", "poller", "--config", str(site.config), *arguments],
        env={**clean_environ(), **site.environ}, umask=0, text=True, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_all_files_are_ours_alone(site: Site) -> None:
    """The ledger, its write-ahead log and index, locks, a second sink's file, and new folders."""
    state = site.directory / "new" / "state"
    text = f'path = "{state}/ledger.db"\n[jsonl]\npath = "{state}/runs/runs.jsonl"\n'
    site.configure()
    site.config.write_text(
        site.config.read_text().replace(f'path = "{site.ledger}"', text)
        + f'[status]\nlisten = "{free_port()}"\n'
    )
    site.jenkins.job("app").build()
    with unmasked(site, "run") as service:
        wait_for(lambda: (state / "runs" / "runs.jsonl").exists() and len(site.sei.runs) == 1)
        # Killed, it leaves all of them behind.
        service.send_signal(signal.SIGKILL)
        service.communicate(timeout=60)
    found = modes(site.directory / "new")
    assert {name: mode for name, mode in found.items() if mode not in (0o600, 0o700)} == {}
    assert {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock", "ledger.db.sei.lock",
            "runs.jsonl"} <= found.keys()  # fmt: skip


def test_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """Somebody chose it."""
    path = tmp_path / "runs.jsonl"
    path.touch(0o640)
    os.close(open_private(path, os.O_WRONLY))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_check_tells_what_others_can_read_or_change(site: Site) -> None:
    """A secret's file, a config with a proxy's password, the ledger, and a folder where somebody
    could put a link in our way; each with its cure. Nothing where all is well."""
    folder = site.directory / "well"
    folder.mkdir(mode=0o700)
    token, key, ledger = folder / "token", folder / "key", folder / "ledger.db"
    for path, secret in ((token, TOKEN), (key, KEY), (ledger, "")):
        path.write_text(secret)
        path.chmod(0o600)
    controller = site.controller(
        token_env=None, token_file=str(token), url="https://j/", proxy="http://u:p@proxy:3128"
    )
    site.configure(controller, api_key_env="X")
    text = site.config.read_text().replace('api_key_env = "X"', f'api_key_file = "{key}"')
    site.config.write_text(text.replace(str(site.ledger), str(ledger)))
    site.config.chmod(0o600)
    site.directory.chmod(0o700)
    settings = load(site.config, {})
    assert exposed(site.config, settings, {}) == []
    for path in (token, key, ledger, site.config):
        path.chmod(0o644)
        (finding,) = exposed(site.config, settings, {})
        assert (finding.state, finding.cure) == ("warning", f"chmod o= {path}")
        assert "every user can read it" in finding.saw
        path.chmod(0o600)
    folder.chmod(0o1777)
    (finding,) = exposed(site.config, settings, {})
    assert f"{folder}: every user can write to it" in finding.saw
    assert "a folder of its own" in finding.cure
    site.config.write_text(text)
    assert "every user can write to it" in site.run("check").stdout


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_credential_beside_the_config_is_looked_at(site: Site, mode: int) -> None:
    """By the name that the config gives it."""
    path = site.directory / "jenkins-token"
    path.write_text(TOKEN)
    path.chmod(mode)
    site.configure(site.controller(token_env=None, token_credential="jenkins-token"))
    findings = exposed(
        site.config,
        load(site.config, {}),
        {"CREDENTIALS_DIRECTORY": str(site.directory)},
    )
    assert (mode == 0o644) == any(str(path) in finding.saw for finding in findings)
