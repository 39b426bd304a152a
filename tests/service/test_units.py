"""The systemd units, as far as they can be read; `make check` runs systemd-analyze over them."""

from __future__ import annotations

import pytest

from poller.config.servers import SeiConfig
from tests.support.unit_files import SERVICES, text, values

MARK = "# The same lines in every unit: tests/service/test_units.py\n"


def seconds(span: str) -> int:
    """systemd's spans, as far as we use them."""
    return int(span.removesuffix("min")) * 60 if span.endswith("min") else int(span)


def test_the_units_are_there() -> None:
    """One service, one template, one for a timer, one for history."""
    assert SERVICES == [
        "sei-poller-backfill@.service",
        "sei-poller-once.service",
        "sei-poller.service",
        "sei-poller@.service",
    ]


def test_the_hardening_is_the_same_in_every_unit() -> None:
    """To the line."""
    hardening = {text(unit).split(MARK)[1].split("\n[Install]")[0].strip() for unit in SERVICES}
    assert len(hardening) == 1
    assert "DynamicUser=yes" in hardening.pop()


@pytest.mark.parametrize("unit", SERVICES)
def test_the_command_is_the_installed_one(unit: str) -> None:
    """With the config of the unit; secrets come as credentials, never in its environment."""
    (command,) = values(unit, "ExecStart")
    config = "%i" if unit == "sei-poller@.service" else "poller"
    assert command.startswith(f"/opt/sei-poller/bin/sei-poller --config /etc/sei-poller/{config}.")
    assert len(values(unit, "LoadCredential")) == 2
    assert not values(unit, "Environment")


def test_who_shares_a_ledger_shares_a_user() -> None:
    """Else the backfill could not write what the service made; an instance has its own."""
    shared = [unit for unit in SERVICES if unit != "sei-poller@.service"]
    assert {("sei-poller",)} == {tuple(values(unit, "User")) for unit in shared}
    assert {("sei-poller",)} == {tuple(values(unit, "StateDirectory")) for unit in shared}
    assert values("sei-poller@.service", "User") == ["sei-poller-%i"]
    assert values("sei-poller@.service", "StateDirectory") == ["sei-poller-%i"]


@pytest.mark.parametrize("unit", SERVICES)
def test_a_credential_without_a_file_is_an_empty_line(unit: str) -> None:
    """The program then says which one it lacks; systemd says 243/CREDENTIALS, whatever it is."""
    loaded = [value.split(":")[0] for value in values(unit, "LoadCredential")]
    assert values(unit, "SetCredential") == [f"{name}:\\n" for name in loaded]


@pytest.mark.parametrize("unit", SERVICES)
def test_what_root_left_in_the_ledger_is_given_to_the_service(unit: str) -> None:
    """Before each start: only files of root, with one name, and no link."""
    (heal,) = values(unit, "ExecStartPre")
    (name,) = values(unit, "StateDirectory")
    folder = f"%S/private/{name}"
    assert heal.startswith(f"+/usr/bin/find {folder} -xdev -type f -user root -links 1 -exec chown")
    assert heal.endswith(f" --no-dereference --reference={folder} {{}} +")


@pytest.mark.parametrize("unit", SERVICES)
def test_a_stop_waits_for_the_last_answer(unit: str) -> None:
    """As long as SEI may take by default, and the program's margin."""
    (stop,) = values(unit, "TimeoutStopSec")
    assert seconds(stop) > SeiConfig.model_fields["timeout"].default / 1000 + 5


@pytest.mark.parametrize("unit", ["sei-poller.service", "sei-poller@.service"])
def test_the_services_are_watched_and_reloaded(unit: str) -> None:
    """As the program supports it."""
    assert values(unit, "Type") == ["notify"]
    assert seconds(*values(unit, "WatchdogSec")) == 120
    assert values(unit, "ExecReload") == ["/opt/sei-poller/bin/sei-poller reload"]
    assert values(unit, "RuntimeDirectory") == values(unit, "StateDirectory")
    assert "78" in values(unit, "RestartPreventExitStatus")[0].split()
