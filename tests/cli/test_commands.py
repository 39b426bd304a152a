"""The commands that read, and what goes wrong at the command line."""

from __future__ import annotations

import json

import pytest

from tests.support.site import Site


def test_check_is_content_with_a_good_setup(site: Site) -> None:
    """One line each; exit 0."""
    site.jenkins.job("team/app").build()
    result = site.run("check")
    assert result.returncode == 0, result.stdout
    for words in (
        "Jenkins 2.448",
        "user reader",
        "1 of 1 jobs",
        "wfapi",
        "instance GUID",
        "ledger",
    ):
        assert words in result.stdout


def test_check_finds_what_is_wrong(site: Site) -> None:
    """A glob that matches nothing, and a GUID that SEI does not know."""
    site.configure(
        site.controller(
            include=["nowhere/**"], instance_guid="00000000-0000-4000-8000-000000000000"
        )
    )
    site.jenkins.job("app").build()
    result = site.run("check")
    assert result.returncode == 1
    assert "'nowhere/**' matches no job" in result.stdout
    assert "404" in result.stdout


def test_check_names_the_controller_whose_token_is_wrong(site: Site) -> None:
    """Exit 69, with the cure, and the others are looked at."""
    site.jenkins.job("app").build()
    site.environ["OTHER"] = "stale"
    site.configure(site.controller("good"), site.controller("bad", token_env="OTHER"))
    findings = site.read("check")
    assert site.run("check").returncode == 69
    wrong = [finding for finding in findings if finding["state"] == "wrong"]
    assert [finding["subject"] for finding in wrong] == ["controller bad"]
    assert "token" in wrong[0]["cure"]


def test_check_says_when_the_running_list_is_hidden(site: Site) -> None:
    """A warning, as builds in flight then cost a request each."""
    site.jenkins.job("app").build()
    site.jenkins.can_see_computer = False
    result = site.run("check")
    assert result.returncode == 0
    assert "can't see which builds run" in result.stdout


@pytest.mark.parametrize("server", ["jenkins", "sei"])
def test_check_with_a_closed_port(site: Site, server: str) -> None:
    """One sentence, exit 69."""
    (site.jenkins_server if server == "jenkins" else site.sei_server).stop()
    result = site.run("check")
    assert result.returncode == 69
    assert "reachable from here" in result.stdout


def test_preview_shows_what_would_go_out(site: Site) -> None:
    """The same, to the value, as what is sent; and nothing is sent."""
    site.jenkins.job("team/app").build()
    shown = site.read("preview", "team/app", "1")
    assert site.sei.received == []
    site.run("once")
    assert [shown] == site.sei.received


def test_preview_of_what_is_not_there(site: Site) -> None:
    """Exit 65."""
    site.jenkins.job("app").start()
    assert site.run("preview", "nope", "1").returncode == 65
    result = site.run("preview", "app", "1")
    assert result.returncode == 65
    assert "still runs" in result.stderr


def test_preview_of_a_build_that_goes_meanwhile(site: Site) -> None:
    """Its folder is deleted between two questions, or shown to others only: the same words."""
    site.jenkins.job("team/app").build()
    site.jenkins.fail("/job/team/api/json", status=404)
    result = site.run("preview", "team/app", "1")
    assert result.returncode == 65
    assert "team/app #1 is not there, or not to be seen with this token" in result.stderr


def test_preview_asks_which_controller(site: Site) -> None:
    """Where two have the job."""
    site.configure(site.controller("one"), site.controller("two"))
    site.jenkins.job("app").build()
    result = site.run("preview", "app", "1")
    assert result.returncode == 64
    assert "--controller" in result.stderr
    assert site.run("preview", "app", "1", "--controller", "two").returncode == 0


def test_status_before_the_first_poll(site: Site) -> None:
    """It says that there is no ledger yet."""
    result = site.run("status")
    assert result.returncode == 73
    assert "there is none yet" in result.stderr


def test_status_json_keeps_its_promise(site: Site) -> None:
    """The documented keys."""
    site.jenkins.job("app").build()
    site.run("once")
    (controller,) = site.read("status")["controllers"]
    assert controller["name"] == "main"
    assert controller["jobs"] == 1
    assert controller["last_error"] is None
    assert controller["lag_seconds"] >= 0
    assert controller["sinks"]["sei"] == {
        "queued": 0,
        "delivered": 1,
        "rejected": 0,
        "oldest_queued": None,
    }
    assert "1 delivered" in site.run("status").stdout


def test_a_wrong_config_is_told_all_at_once(site: Site) -> None:
    """Exit 78; each line with file, key and cure."""
    site.config.write_text('[[controllers]]\nname = "x"\nurll = "http://x"\nevery = "soon"\n')
    result = site.run("once")
    assert result.returncode == 78
    assert "urll" in result.stderr
    assert "every" in result.stderr
    assert f"{site.config}:3" in result.stderr


def test_a_missing_secret_is_a_config_error(site: Site) -> None:
    """It names the variable."""
    del site.environ["JENKINS_TOKEN"]
    result = site.run("once")
    assert result.returncode == 78
    assert "JENKINS_TOKEN" in result.stderr


def test_a_missing_config_is_told(site: Site) -> None:
    """Exit 78."""
    site.config.unlink()
    result = site.run("status")
    assert result.returncode == 78


def test_config_show_hides_secrets(site: Site) -> None:
    """And `schema` is a schema."""
    shown = json.loads(site.run("config", "show").stdout)
    assert shown["controllers"][0]["name"] == "main"
    assert "$schema" in json.loads(site.run("config", "schema").stdout)


@pytest.mark.parametrize("arguments", [["nonsense"], ["preview", "app"], ["preview", "app", "x"]])
def test_a_wrong_command_line(site: Site, arguments: list[str]) -> None:
    """Exit 64."""
    assert site.run(*arguments).returncode == 64
