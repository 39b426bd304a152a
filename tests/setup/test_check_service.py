"""`check` and commands of root beside the service of another user: who owns what, and who can reach
it."""

from __future__ import annotations

import grp
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from poller.actions.check import service
from poller.actions.check.finding import CheckResult
from poller.actions.check.unit import allowed, find_unit
from poller.actions.config_file import text_of, write, write_secret
from poller.config.load import load
from poller.config.settings import StatusConfig
from tests.support.site import KEY, TOKEN, Site, forks
from tests.support.waiting import wait_for

ROOT = Path(__file__).parents[2]
NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="what root's commands do to others")


@pytest.fixture
def machine() -> Iterator[Path]:
    """A machine's folders: units, as `make install` has them, configs, and a service's state."""
    top = Path(tempfile.mkdtemp())  # pytest's own folders are its user's alone
    top.chmod(0o755)
    for name in ("units", "etc", "state"):
        (top / name).mkdir()
    for unit in (ROOT / "systemd").glob("*.service"):
        text = unit.read_text().replace("/etc/sei-poller/", f"{top}/etc/")
        (top / "units" / unit.name).write_text(text)
    os.chown(top / "state", NOBODY, NOBODY)
    yield top
    shutil.rmtree(top)


def configured(site: Site, machine: Path, name: str = "poller", **keys: Any) -> Path:
    """A config of a unit, of which the unit can read and write all that it needs."""
    token = "jenkins-token" if name == "poller" else f"{name}-jenkins-token"
    for credential, secret in ((token, TOKEN), ("sei-api-key", KEY)):
        (machine / "etc" / credential).write_text(secret)
        (machine / "etc" / credential).chmod(0o600)
    given: dict[str, Any] = {"token_env": None, "token_credential": token, **keys}
    site.configure(site.controller(**given), api_key_env="X")
    path = machine / "etc" / f"{name}.toml"
    state = "sei-poller" if name == "poller" else f"sei-poller-{name}"
    path.write_text(
        site.config.read_text()
        .replace('api_key_env = "X"', 'api_key_credential = "sei-api-key"')
        .replace(str(site.ledger), f"/var/lib/{state}/ledger.db")
    )
    path.chmod(0o644)
    return path


def looked_at(machine: Path, config: Path) -> list[CheckResult]:
    """What is in the unit's way."""
    return service.as_service(config, load(config, {}), [machine / "units"])


@pytest.mark.parametrize("name", ["poller", "east"])
def test_a_unit_that_reaches_all(site: Site, machine: Path, name: str) -> None:
    """Of its own name, and an instance; another config is no unit's."""
    config = configured(site, machine, name)
    assert looked_at(machine, config) == []
    unit = find_unit(config, [machine / "units"])
    assert unit is not None
    assert unit.name == ("sei-poller.service" if name == "poller" else "sei-poller@east.service")
    assert find_unit(machine / "poller.toml", [machine / "units"]) is None


def test_a_credential_that_the_unit_does_not_load(site: Site, machine: Path) -> None:
    """Under another name it is not there, whatever lies beside the config."""
    config = configured(site, machine, token_credential="token")
    (result,) = looked_at(machine, config)
    assert (result.state, result.code) == ("wrong", 78)
    assert "sei-poller.service loads no credential token" in result.saw
    assert "LoadCredential=token:/etc/sei-poller/token" in result.cure
    dropin = machine / "units" / "sei-poller.service.d"
    dropin.mkdir()
    (dropin / "x.conf").write_text("[Service]\nLoadCredential=token:/etc/sei-poller/token\n")
    assert looked_at(machine, config) == []


def test_a_header_for_a_front_door_that_the_unit_does_not_load(site: Site, machine: Path) -> None:
    """It is a secret like the token."""
    config = configured(site, machine)
    text = config.read_text()
    config.write_text(
        text.replace("[sei]", '[controllers.headers]\nX-Door = { credential = "door" }\n[sei]')
    )
    (result,) = looked_at(machine, config)
    assert result.saw.startswith('controller "main": headers.X-Door: sei-poller.service loads no')


def test_a_config_that_only_root_can_read(site: Site, machine: Path) -> None:
    """By its mode, or a folder's; the cure works."""
    config = configured(site, machine)
    for place, mode in ((config, 0o600), (config.parent, 0o700)):
        place.chmod(mode)
        (finding,) = looked_at(machine, config)
        assert (finding.state, finding.code) == ("wrong", 78)
        assert f"the user of sei-poller.service can't read {config}" in finding.saw
        subprocess.run(finding.cure, shell=True, check=True)  # noqa: S602 - it is to be typed
        assert looked_at(machine, config) == []


def test_a_group_of_the_unit(site: Site, machine: Path) -> None:
    """Reads what is its group's."""
    config = configured(site, machine)
    os.chown(config, 0, grp.getgrnam("man").gr_gid)
    config.chmod(0o640)
    assert len(looked_at(machine, config)) == 1
    added = machine / "units" / "sei-poller.service.d"
    added.mkdir()
    (added / "group.conf").write_text("[Service]\nSupplementaryGroups=man\n")
    assert looked_at(machine, config) == []


def test_a_secret_that_the_unit_can_not_have(site: Site, machine: Path) -> None:
    """A file of root's, one in root's home, a variable of the shell's; a variable of the unit's is
    fine."""
    token = machine / "etc" / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    config = configured(site, machine, token_credential=None, token_file=str(token))
    (finding,) = looked_at(machine, config)
    assert 'controller "main": token_file: the user of sei-poller.service' in finding.saw
    config = configured(site, machine, token_credential=None, token_file="/root/token")
    (finding,) = looked_at(machine, config)
    assert "ProtectHome= hides it" in finding.saw
    config = configured(site, machine, token_credential=None, token_env="TOKEN")
    (finding,) = looked_at(machine, config)
    assert "sei-poller.service sets no variable TOKEN" in finding.saw
    assert "credential" in finding.cure
    added = machine / "units" / "sei-poller.service.d"
    added.mkdir()
    (added / "variables.conf").write_text(f"[Service]\nEnvironmentFile=-{machine}/variables\n")
    (machine / "variables").write_text("TOKEN=x\n")
    assert looked_at(machine, config) == []


@pytest.mark.parametrize("folder", ["/root", "/srv", "/var/lib", "/home/me"])
def test_a_ledger_where_the_unit_can_not_write(site: Site, machine: Path, folder: str) -> None:
    """Everywhere but in its own folder, and in those that its drop-ins name, if its user may."""
    config = configured(site, machine)
    text = config.read_text()
    config.write_text(text.replace("/var/lib/sei-poller/", f"{folder}/"))
    (finding,) = looked_at(machine, config)
    assert (finding.state, finding.code) == ("wrong", 73)
    assert f"sei-poller.service can't write {folder}/ledger.db" in finding.saw
    assert finding.cure == '[ledger] path = "/var/lib/sei-poller/ledger.db"'
    added = machine / "units" / "sei-poller.service.d"
    added.mkdir()
    (added / "paths.conf").write_text(f"[Service]\nReadWritePaths={machine}/state\n")
    config.write_text(text.replace("/var/lib/sei-poller/", f"{machine}/state/"))
    assert "no right to write" in looked_at(machine, config)[0].saw
    (machine / "state").chmod(0o777)
    assert looked_at(machine, config) == []


def test_a_ledger_that_only_the_unit_knows(site: Site, machine: Path) -> None:
    """Without a path in the config, a command that is typed would make another."""
    config = configured(site, machine)
    line = 'path = "/var/lib/sei-poller/ledger.db"'
    config.write_text(config.read_text().replace(line, ""))
    (finding,) = looked_at(machine, config)
    assert finding.state == "warning"
    assert finding.cure == f"[ledger] {line}"


def test_a_config_that_root_writes_is_for_the_service(machine: Path) -> None:
    """Also its folder, under any umask; a secret beside it is not."""
    config = machine / "etc" / "sei-poller" / "poller.toml"
    answers = {"url": "https://h/", "user": "u", "token": "env T", "place": "EU", "key": "env K",
               "name": "main", "guid": ""}  # fmt: skip
    before = os.umask(0o077)
    try:
        write_secret(config.parent / "jenkins-token", TOKEN, anew=False)
        write(config, text_of(answers, None))
    finally:
        os.umask(before)
    wanted = [(config, os.R_OK), (config.parent / "jenkins-token", os.R_OK)]
    assert allowed((NOBODY, [NOBODY]), wanted) == [True, False]


def test_what_root_makes_is_the_folders_owners(site: Site, machine: Path) -> None:
    """All files of a ledger, of a second sink, and folders: the service goes on with them."""
    site.jenkins.job("app").build()
    state = machine / "state"
    site.configure(more=f'[jsonl]\npath = "{state}/runs/runs.jsonl"')
    site.config.write_text(site.config.read_text().replace(str(site.ledger), f"{state}/ledger.db"))
    with site.start("run") as process:
        wait_for(lambda: (state / "runs" / "runs.jsonl").exists() and len(site.sei.runs) == 1)
        found = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in state.rglob("*")}
        process.kill()
    assert {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock", "runs.jsonl", "runs",
            "ledger.db.sei.lock"} <= found.keys()  # fmt: skip
    assert set(found.values()) == {(NOBODY, NOBODY)}
    shutil.copy(site.config, machine / "poller.toml")
    arguments = ["--config", str(machine / "poller.toml"), "once"]
    site.jenkins.job("app").build()
    with forks().start(arguments, site.environ, NOBODY) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert len(site.sei.runs) == 2


def test_a_link_in_a_folder_of_another_is_not_followed(site: Site, machine: Path) -> None:
    """Its owner could have root write elsewhere."""
    site.jenkins.job("app").build()
    target = site.directory / "precious"
    (machine / "state" / "ledger.db.lock").symlink_to(target)
    site.config.write_text(
        site.config.read_text().replace(str(site.ledger), f"{machine}/state/ledger.db")
    )
    assert site.run("once").returncode == 73
    assert not target.exists()


def test_a_ledger_of_root_in_a_folder_of_another(site: Site, machine: Path) -> None:
    """As from an earlier version, or a restore by root: it is said, and the cure works."""
    site.jenkins.job("app").build()
    ledger = machine / "state" / "ledger.db"
    site.config.write_text(site.config.read_text().replace(str(site.ledger), str(ledger)))
    assert site.run("once").returncode == 0
    assert site.run("check").returncode == 0
    wal = ledger.with_name("ledger.db-wal")
    wal.touch()
    for path in (ledger, wal):
        os.chown(path, 0, 0)
        result = site.run("check")
        assert result.returncode == 73
        (line,) = [
            line for line in result.stdout.splitlines() if "ledger: " in line and "wrong" in line
        ]
        assert path.name in line
        assert f"not of nobody, who owns {ledger.parent}" in line
        subprocess.run(line.partition(" — ")[2], shell=True, check=True)  # noqa: S602 - it is to be typed
        assert (path.stat().st_uid, path.stat().st_gid) == (NOBODY, NOBODY)
        assert site.run("check").returncode == 0


@pytest.mark.parametrize(
    ("listen", "public"),
    [("9155", False), ("127.0.0.1:9155", False), ("[::1]:9155", False), ("localhost:9155", False),
     ("0.0.0.0:9155", True), ("[::]:9155", True), ("ci.example.com:9155", True)],
)  # fmt: skip
def test_a_page_that_others_reach(listen: str, public: bool) -> None:
    """It has no password: a warning, as a firewall or a container may be around it."""
    found = service.public_page(StatusConfig(listen=listen))
    assert public == ([one.state for one in found] == ["warning"])


def test_commands_of_a_user_without_rights(site: Site, machine: Path) -> None:
    """Are no bugs: each names the file, and who may. So does the start of a service."""
    config = machine / "poller.toml"
    (machine / "state").chmod(0o700)
    os.chown(machine / "state", 0, 0)
    config.write_text(site.config.read_text().replace(str(site.ledger), f"{machine}/state/l.db"))
    for command, stream in (("status", 1), ("now", 1), ("run", 1), ("check", 0)):
        with forks().start(["--config", str(config), command], site.environ, NOBODY) as process:
            said = process.communicate(timeout=60)[stream]
        assert process.returncode == 73, said
        assert f"{machine}/state" in said
        assert "as root" in said
    config.chmod(0o600)
    with forks().start(["--config", str(config), "run"], site.environ, NOBODY) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 78
    assert f"chmod a+r {config}" in err
