"""`install` and `uninstall`, into folders of the test; tests/boot does it with systemd."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from poller.actions.install.install import install, unreachable
from poller.actions.install.places import Places, files
from poller.actions.install.uninstall import uninstall
from poller.core.errors import InstallError
from tests.support.unit_files import UNITS


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """As a packager has them."""
    etc = Path("/etc")
    command = Path("/usr/lib/sei-poller/bin/sei-poller")
    return Places(Path("/usr"), etc, etc / "systemd/system", tmp_path, command)


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_every_file_whatever_the_umask_is(places: Places, tmp_path: Path) -> None:
    """Readable for the service's user, and without a trace of how it was written."""
    before = os.umask(0o077)
    try:
        install(places)
        install(places)
    finally:
        os.umask(before)
    assert written(tmp_path) == {str(path.relative_to("/")) for path in files(places)}
    units = {path.name for path in UNITS.iterdir() if path.suffix in (".service", ".timer")}
    assert {path.name for path in (tmp_path / "etc/systemd/system").iterdir()} == units
    assert not {path for path in tmp_path.rglob("*") if path.stat().st_mode & 0o005 == 0}


def test_the_units_start_what_is_installed(places: Places, tmp_path: Path) -> None:
    """With the configs of its place."""
    install(places)
    unit = (tmp_path / "etc/systemd/system/sei-poller.service").read_text()
    command = "/usr/lib/sei-poller/bin/sei-poller --config /etc/sei-poller/poller.toml"
    assert f"\nExecStart={command} run\n" in unit
    assert "\nExecReload=/usr/lib/sei-poller/bin/sei-poller reload\n" in unit
    assert "/opt/" not in unit


def test_a_place_that_can_not_be_written(places: Places, tmp_path: Path) -> None:
    """Says which."""
    (tmp_path / "usr").write_text("a file")
    with pytest.raises(InstallError, match="can't write it"):
        install(places)


def test_uninstall_takes_back_what_install_wrote(places: Places, tmp_path: Path) -> None:
    """And the links of what was enabled, instances too; the rest is named."""
    install(places)
    units = tmp_path / "etc/systemd/system"
    wants, etc = units / "multi-user.target.wants", tmp_path / "etc/sei-poller"
    wants.mkdir()
    for name in ("sei-poller.service", "sei-poller@east.service", "other.service"):
        (wants / name).symlink_to(f"../{name}")
    dropin = units / "sei-poller@.service.d"
    dropin.mkdir()
    (dropin / "override.conf").write_text("[Service]\n")
    ledger, state = tmp_path / "elsewhere.db", tmp_path / "var/lib/private/sei-poller-east"
    ledger.touch()
    state.mkdir(parents=True)
    (etc / "east.toml").write_text(f'[ledger]\npath = "{ledger}"\nwrong = 1\n')
    (etc / "west.toml").write_text("not TOML")
    assert uninstall(places) == sorted([ledger, state, etc, dropin])
    assert written(tmp_path) == {
        "elsewhere.db",
        "etc/sei-poller/east.toml",
        "etc/sei-poller/west.toml",
        "etc/systemd/system/multi-user.target.wants/other.service",
        "etc/systemd/system/sei-poller@.service.d/override.conf",
    }


def test_nothing_is_left(places: Places, tmp_path: Path) -> None:
    """Where nobody put anything."""
    install(places)
    assert uninstall(places) == []
    assert written(tmp_path) == set()


def test_what_the_service_could_not_run() -> None:
    """Its user is another one, and it sees no home."""
    assert unreachable([Path("/usr/bin/env")]) == ""
    assert unreachable([Path("/root/.local/bin/sei-poller")]).startswith("/root/.local/bin/sei")
    assert "in /tmp" in unreachable([Path("/tmp/venv/bin/sei-poller")])  # noqa: S108


def test_units_that_systemd_reads_are_not_written_for_what_it_can_not_run() -> None:
    """Nothing is written then: here, ours is in a home or in a folder of the test."""
    units = Path("/etc/systemd/system")
    places = Places(Path("/usr/local"), Path("/etc"), units, None, Path("/root/bin/sei-poller"))
    with pytest.raises(InstallError, match="the service's user can't run this") as error:
        install(places)
    assert "PIPX_HOME=/opt/pipx" in error.value.hint
    assert not (units / "sei-poller.service").exists()
