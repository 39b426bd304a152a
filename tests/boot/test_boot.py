"""What somebody who runs the service does with it, on a Debian with systemd as PID 1."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.boot.machine import Machine
from tests.support.ledgers import LEDGERS
from tests.support.site import GUID, KEY, TOKEN, Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.boot

SERVICE, CONFIG = "sei-poller.service", "/etc/sei-poller/poller.toml"
LEDGER = "/var/lib/sei-poller/ledger.db"
SECONDS = 60
README = (Path(__file__).parents[2] / "README.md").read_text()


def in_readme(first: str) -> str:
    """The commands of the block that begins with this line."""
    (block,) = re.findall(rf"^```\n({re.escape(first)}\n.*?)^```", README, re.M | re.S)
    return str(block)


def set_up(machine: Machine, site: Site) -> None:
    """Secrets, a config by `init`, and the service, enabled."""
    machine.shell(
        f"umask 077; mkdir -p /etc/sei-poller; cd /etc/sei-poller;"
        f" echo {TOKEN} > jenkins-token; echo {KEY} > sei-api-key"
    )
    machine.run(
        *("sei-poller", "init", "--url", site.jenkins_server.url, "--user", "reader"),
        *("--token-credential", "jenkins-token", "--api-key-credential", "sei-api-key"),
        *("--base-url", f"{site.sei_server.url}sei/api/v1", "--instance-guid", GUID),
    )
    machine.shell(f'sed -i \'s/^name = .*/&\\nevery = "1s"\\nsince = "all"/\' {CONFIG}')
    machine.run("systemctl", "enable", "--now", SERVICE)
    build_is_sent(site)
    machine.run("sei-poller", "check")


def build_is_sent(site: Site) -> None:
    """One more than before."""
    before = len(site.sei.runs)
    site.jenkins.job("app").build()
    wait_for(lambda: len(site.sei.runs) == before + 1, SECONDS)


def status_of(machine: Machine, unit: str = SERVICE) -> str:
    return machine.show(unit, "StatusText")


def is_active(machine: Machine) -> bool:
    return machine.show(SERVICE, "ActiveState") == "active"


def make_install(machine: Machine, source: Path, umask: str = "022") -> str:
    return machine.shell(f"umask {umask}; make -C {source}/checkout install").stdout


def test_from_make_install_to_make_uninstall(machine: Machine, site: Site, source: Path) -> None:
    """The whole story of one machine; each part of it goes on where the one before ended."""
    without_venv_package(machine, source)
    assert "installed" in make_install(machine, source, umask="077")
    a_ledger_that_root_made(machine)
    set_up(machine, site)
    a_file_of_root_in_the_ledger(machine, site)
    killed(machine, site)
    rebooted(machine, site)
    sei_away(machine, site)
    reloaded(machine, site)
    not_usable(machine, site)
    another_user(machine)
    another_key(machine, site)
    restored(machine, site)
    upgraded_with_an_old_ledger(machine, site, source)
    uninstalled(machine, source)


def without_venv_package(machine: Machine, source: Path) -> None:
    """A Python that can make no venv, as without python3-venv: one sentence, and nothing left."""
    machine.run("mv", "/usr/lib/python3.11/ensurepip", "/root/")
    done = machine.run("make", "-C", f"{source}/checkout", "install", check=False)
    assert done.returncode
    assert "apt install python3.11-venv" in done.stdout
    assert not list((machine.tree / "opt").iterdir())
    machine.run("mv", "/root/ensurepip", "/usr/lib/python3.11/")


def a_ledger_that_root_made(machine: Machine) -> None:
    """Before the first start, as by a command that was typed too early."""
    machine.shell(f"umask 077; mkdir /var/lib/sei-poller; touch {LEDGER}")


def a_file_of_root_in_the_ledger(machine: Machine, site: Site) -> None:
    """The start gives it to the service."""
    machine.run("systemctl", "stop", SERVICE)
    machine.shell(f"chown root: {LEDGER}; touch {LEDGER}.sei.lock; chown root: {LEDGER}.sei.lock")
    machine.run("systemctl", "start", SERVICE)
    build_is_sent(site)


def killed(machine: Machine, site: Site) -> None:
    """systemd starts it again."""
    machine.run("systemctl", "kill", "--signal=SIGKILL", SERVICE)
    build_is_sent(site)
    assert machine.show(SERVICE, "NRestarts") == "1"


def rebooted(machine: Machine, site: Site) -> None:
    """What ended meanwhile is sent."""
    before = len(site.sei.runs)
    machine.stop()
    site.jenkins.job("app").build()
    machine.start()
    wait_for(lambda: len(site.sei.runs) == before + 1, SECONDS)


def sei_away(machine: Machine, site: Site) -> None:
    """What waited is sent when it is back."""
    before = len(site.sei.runs)
    site.sei_server.stop()
    site.jenkins.job("app").build()
    wait_for(lambda: "sei" in status_of(machine).lower(), SECONDS)
    site.sei_server.start()
    machine.run("sei-poller", "now")
    wait_for(lambda: len(site.sei.runs) == before + 1, SECONDS)
    wait_for(lambda: status_of(machine) == "waiting for the next poll", SECONDS)


def reloaded(machine: Machine, site: Site) -> None:
    """A good config is taken, a wrong one makes the reload fail, and the service stays."""
    machine.shell(f"cp {CONFIG} /root/good.toml; sed -i 's/^every.*/every = \"2s\"/' {CONFIG}")
    machine.run("systemctl", "reload", SERVICE)
    log = machine.run("journalctl", "--unit", SERVICE, "--output=cat").stdout
    (taken,) = [json.loads(line) for line in log.splitlines() if "config_reloaded" in line]
    assert taken["changed"] == ['controller "main": every']
    machine.shell(f"sed -i 's/^every/evry/' {CONFIG}")
    assert machine.run("systemctl", "reload", SERVICE, check=False).returncode
    wait_for(lambda: "did you mean every?" in status_of(machine))
    assert is_active(machine)
    build_is_sent(site)
    machine.run("cp", "/root/good.toml", CONFIG)
    machine.run("systemctl", "reload", SERVICE)
    wait_for(lambda: "rejected" not in status_of(machine), SECONDS)


def not_usable(machine: Machine, site: Site) -> None:
    """The unit's status says which file, and it does not start again and again."""
    token = "/etc/sei-poller/jenkins-token"
    for wrong, right, told in (
        (f"mv {token} /root/", f"mv /root/jenkins-token {token}", f"{token}, or what"),
        (f"cp -p {token} /root/; : > {token}", f"mv /root/jenkins-token {token}", f"{token}, or"),
        (f"chmod 600 {CONFIG}", f"chmod 644 {CONFIG}", f"chmod a+r {CONFIG}"),
        (f"mv {CONFIG} /root/", f"mv /root/poller.toml {CONFIG}", f"--config {CONFIG} init"),
    ):
        machine.shell(wrong)
        assert machine.run("systemctl", "restart", SERVICE, check=False).returncode
        wait_for(lambda: machine.show(SERVICE, "ActiveState") == "failed")
        assert machine.show(SERVICE, "ExecMainStatus") == "78"
        assert told in status_of(machine)
        machine.shell(f"{right}; systemctl reset-failed {SERVICE}")  # nor are starts counted
    machine.run("systemctl", "start", SERVICE)
    build_is_sent(site)


def another_user(machine: Machine) -> None:
    """May not read the ledger, and hears who may."""
    other = ("env", "HOME=/", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    done = machine.run(*other, "sei-poller", "status", check=False)
    assert done.returncode == 73
    assert "type it as root" in done.stdout


def another_key(machine: Machine, site: Site) -> None:
    """Is written, and the service restarted: README, "Rotating a secret"."""
    site.sei.key = "another-key"
    machine.shell(f"echo another-key > /etc/sei-poller/sei-api-key; systemctl restart {SERVICE}")
    build_is_sent(site)


def restored(machine: Machine, site: Site) -> None:
    """By README's commands, from a copy that SQLite made while the service was at work."""
    ledger, copy = (machine.tree / path for path in (LEDGER[1:], "root/ledger-backup.db"))
    with closing(sqlite3.connect(ledger)) as used, closing(sqlite3.connect(copy)) as backup:
        used.backup(backup)
    machine.shell(in_readme("systemctl stop sei-poller"))
    build_is_sent(site)
    assert "warning" not in machine.run("sei-poller", "check").stdout


def upgraded_with_an_old_ledger(machine: Machine, site: Site, source: Path) -> None:
    """What an earlier version wrote is brought to this one."""
    machine.run("systemctl", "stop", SERVICE)
    old = machine.tree / "root/old.db"
    shutil.copyfile(LEDGERS / "m008.db", old)
    machine.shell(f"rm {LEDGER}*; cp /root/old.db {LEDGER}")
    assert "upgraded" in make_install(machine, source)
    machine.run("systemctl", "start", SERVICE)
    machine.shell("systemctl try-restart 'sei-poller*.service'")
    before = len(site.sei.received)
    site.jenkins.job("app").build()
    wait_for(lambda: len(site.sei.received) > before, SECONDS)


def uninstalled(machine: Machine, source: Path) -> None:
    """Instances, too; what stays is named."""
    machine.run("systemctl", "enable", "sei-poller@east.service")
    said = machine.run("make", "-C", f"{source}/checkout", "uninstall").stdout
    assert {"kept: /etc/sei-poller", "kept: /var/lib/private/sei-poller"} <= set(said.splitlines())
    assert not is_active(machine)
    left = machine.shell("ls /opt; find /etc/systemd /usr/local /opt -name '*sei*poller*'").stdout
    assert left == ""
    assert machine.run("test", "-s", LEDGER).returncode == 0


def test_a_wheel_and_its_install(machine: Machine, site: Site, source: Path) -> None:
    """As pipx and uv do it; where the service could not run it, it says so and writes nothing."""
    (wheel,) = source.glob("*.whl")
    place = "/opt/pipx/venvs/jenkins-sei-poller"
    machine.shell(f"umask 022; python3 -m venv {place}; {place}/bin/pip install -q {wheel}")
    machine.run("chmod", "700", "/opt/pipx")
    done = machine.run(f"{place}/bin/sei-poller", "install", check=False)
    assert done.returncode == 73
    assert "/opt/pipx is closed to others" in done.stdout
    assert machine.shell("ls /etc/systemd/system/sei-poller*", check=False).returncode
    machine.run("chmod", "755", "/opt/pipx")
    machine.run(f"{place}/bin/sei-poller", "install")
    machine.run("ln", "-s", f"{place}/bin/sei-poller", "/usr/local/bin/")
    set_up(machine, site)
    said = machine.run("sei-poller", "uninstall").stdout
    assert "kept: /etc/sei-poller" in said
    assert not is_active(machine)


def test_without_network(machine: Machine, site: Site, source: Path) -> None:
    """By README's commands, from what `make wheels` wrote where there is one."""
    machine.shell(f"cp -r {source}/checkout /root/; make -C /root/checkout wheels")
    machine.shell("cd /root/checkout; rm /etc/pip.conf; PIP_NO_INDEX=; " + in_readme("umask 022"))
    set_up(machine, site)


def test_a_deb_installed_upgraded_removed_purged(
    machine: Machine, site: Site, source: Path
) -> None:
    """Made on that Debian."""
    machine.shell(f"cp -r {source}/checkout /root/; make -C /root/checkout deb")
    deb = "/root/checkout/dist/jenkins-sei-poller_*.deb"
    machine.shell(f"dpkg --force-unsafe-io --install {deb}")
    set_up(machine, site)
    pid = machine.show(SERVICE, "MainPID")
    machine.shell(f"dpkg --force-unsafe-io --install {deb}")
    assert machine.show(SERVICE, "MainPID") != pid, "an upgrade restarts it"
    build_is_sent(site)
    machine.run("systemctl", "enable", "sei-poller@east.service")
    machine.run("dpkg", "--remove", "jenkins-sei-poller")
    assert not is_active(machine)
    machine.run("test", "-s", LEDGER, "-a", "-s", "/etc/sei-poller/jenkins-token")
    machine.run("dpkg", "--purge", "jenkins-sei-poller")
    left = machine.shell("find /etc /var/lib /usr -name '*sei-poller*' ! -path '*/dpkg/*'").stdout
    assert left == ""
