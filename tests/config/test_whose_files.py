"""Whose config and secrets are used: of nobody who could not have been asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.site import KEY, TOKEN, Site, clean_environ, forks

NOBODY = 65534
COMMANDS = (
    ["once"], ["run"], ["check"], ["status"], ["config", "show"], ["reconcile"],
    ["backfill", "--since", "1d", "--dry-run"], ["preview", "app", "1"], ["now"],
)  # fmt: skip
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def anywhere() -> Iterator[Path]:
    """A folder that every user can reach; pytest's own are their user's alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def typed(
    site: Site, folder: Path, *arguments: str, user: int | None = None
) -> subprocess.CompletedProcess[str]:
    """The command, typed in a folder by a user whose home it is."""
    environ = {**clean_environ(), "HOME": str(folder), **site.environ}
    with contextlib.chdir(folder), forks().start(list(arguments), environ, user) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(arguments, process.wait(), out, err)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_config_in_the_current_folder_does_not_count(
    site: Site, anywhere: Path, command: list[str]
) -> None:
    """Whoever can write there would get the token: nothing is asked."""
    for name in ("config", "sei-poller", "."):
        (anywhere / name).mkdir(exist_ok=True)
        shutil.copy(site.config, anywhere / name / "poller.toml")
    done = typed(site, anywhere, *command)
    assert done.returncode == 78, done.stderr
    assert "no config file: neither --config, $SEI_POLLER_CONFIG" in done.stderr
    assert site.jenkins.requests == []


@as_root
def test_a_users_own_config_is_the_users_alone(site: Site, anywhere: Path) -> None:
    """Not root's, who has that user's environment by `sudo`."""
    own = anywhere / ".config" / "sei-poller" / "poller.toml"
    own.parent.mkdir(parents=True)
    shutil.copy(site.config, own)
    asked = ("config", "show")
    assert "reader" in typed(site, anywhere, *asked, user=NOBODY).stdout
    assert typed(site, anywhere, *asked).returncode == 78
    site.environ["XDG_CONFIG_HOME"] = str(anywhere / ".config")
    assert "reader" in typed(site, Path("/"), *asked, user=NOBODY).stdout
    assert typed(site, Path("/"), *asked).returncode == 78


def cured(said: str) -> None:
    """Type the cure that was said."""
    (line,) = [line for line in said.splitlines() if "cure: " in line][:1]
    subprocess.run(line.partition("cure: ")[2], shell=True, check=True)  # noqa: S602 - it is to


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_config_that_every_user_can_write(site: Site, command: list[str]) -> None:
    """Refused before anything is asked; the cure works, and the service's user can still read."""
    site.jenkins.job("app").build()
    site.config.chmod(0o666)
    refused = site.run(*command)
    said = refused.stdout + refused.stderr
    assert refused.returncode == 78
    assert f"{site.config}: not used, because every user can write it" in said
    assert site.jenkins.requests == []
    cured(said)
    assert stat.S_IMODE(site.config.stat().st_mode) == 0o644
    if command != ["run"]:
        assert site.run(*command).returncode != 78


@pytest.mark.parametrize("command", COMMANDS[:1] + COMMANDS[5:8], ids=" ".join)
def test_a_secret_that_every_user_can_write(site: Site, command: list[str]) -> None:
    """Whoever wrote it could have another's builds counted as ours."""
    site.jenkins.job("app").build()
    token = site.directory / "a token"
    token.write_text(TOKEN)
    token.chmod(0o666)
    site.configure(site.controller(token_env=None, token_file=str(token)))
    for _ in range(2):
        refused = site.run(*command)
        assert refused.returncode == 78
        assert f"token_file: {token}: not used, because every user can write it" in refused.stderr
    assert site.jenkins.requests == []
    cured(refused.stderr)
    assert stat.S_IMODE(token.stat().st_mode) == 0o640
    assert site.run(*command).returncode != 78


@as_root
@pytest.mark.parametrize(
    ("owner", "group", "mode", "why"),
    [
        (NOBODY, 0, 0o600, "it belongs to nobody"),
        (0, 12, 0o664, "the group man can write it"),
        (0, 54321, 0o660, "the group 54321 can write it"),
        (NOBODY, 12, 0o664, "the group man can write it and it belongs to nobody"),
    ],
)
def test_a_config_and_a_secret_of_somebody_else(
    site: Site, owner: int, group: int, mode: int, why: str
) -> None:
    """By their owner or group."""
    site.jenkins.job("app").build()
    key = site.directory / "key"
    key.write_text(KEY)
    site.configure(api_key_env="X")
    text = site.config.read_text().replace('api_key_env = "X"', f'api_key_file = "{key}"')
    site.config.write_text(text)
    for path in (site.config, key):
        os.chown(path, owner, group)
        path.chmod(mode)
        refused = site.run("once")
        assert refused.returncode == 78
        assert f"{path}: not used, because {why}" in refused.stderr
        cured(refused.stderr)
        # What root runs and what the service's user runs.
        readable = stat.S_IROTH if path == site.config and owner else stat.S_IRUSR
        assert path.stat().st_mode & readable
    assert site.run("once").returncode == 0
    assert len(site.sei.runs) == 1


@as_root
def test_roots_files_are_good_for_every_user(site: Site, anywhere: Path) -> None:
    """As the service's user reads them."""
    shutil.copy(site.config, anywhere / "poller.toml")
    arguments = ("--config", str(anywhere / "poller.toml"), "config", "show")
    assert typed(site, anywhere, *arguments, user=NOBODY).returncode == 0
