"""`init`: on a terminal and without one; every answer tried; no secret in what it writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from poller.actions.config_file import ledger_for, source, target, text_of, write
from poller.actions.init import missing, questions
from poller.config.load import ETC, load
from poller.core.errors import ConfigError, UsageError
from tests.support.site import GUID, KEY, TOKEN, Site
from tests.support.terminal import Terminal


@pytest.fixture
def empty(site: Site) -> Site:
    """Both servers, and no config yet."""
    site.config.unlink()
    site.jenkins.job("app").build()
    return site


def flags(site: Site, **changed: str | None) -> list[str]:
    """All that init needs; None leaves one out."""
    values = {
        "url": site.jenkins_server.url,
        "user": "reader",
        "token_env": "JENKINS_TOKEN",
        "base_url": f"{site.sei_server.url}sei/api/v1",
        "api_key_env": "SEI_API_KEY",
        **changed,
    }
    return [
        word
        for key, value in values.items()
        if value is not None
        for word in (f"--{key.replace('_', '-')}", value)
    ]


def test_by_flags(empty: Site) -> None:
    """What it writes passes `check`, and holds no secret; the first run is a register away."""
    result = empty.run("init", *flags(empty))
    assert result.returncode == 0, result.stderr
    assert "user reader, token accepted" in result.stderr
    assert "API key accepted" in result.stderr
    text = empty.config.read_text()
    assert TOKEN not in text
    assert KEY not in text
    assert oct(empty.config.stat().st_mode & 0o777) == "0o644"
    assert empty.run("check").returncode == 78
    assert "sei-poller register" in empty.run("once").stderr
    line = empty.run("register", "--integration-id", "4711").stdout.strip()
    empty.config.write_text(
        text.replace('#instance_guid = ""', line) + f'[ledger]\npath = "{empty.ledger}"\n'
    )
    assert empty.run("once").returncode == 0
    assert len(empty.sei.runs) == 1


def test_with_everything(empty: Site) -> None:
    """Name, GUID and a secret's file."""
    token = empty.directory / "token"
    token.write_text(TOKEN)
    given = flags(empty, token_env=None, token_file=str(token), name='o"dd', instance_guid=GUID)
    result = empty.run("init", *given)
    assert result.returncode == 0, result.stderr
    assert f"instance GUID {GUID} known" in result.stderr
    shown = empty.read("config", "show")["controllers"][0]
    assert (shown["name"], shown["instance_guid"]) == ('o"dd', GUID)
    assert shown["token_file"] == str(token)
    assert empty.run("check").returncode == 0


def test_a_credential_is_the_file_beside_the_config(empty: Site) -> None:
    """So that `check` works by hand, and the service gets it from systemd."""
    (empty.directory / "jenkins-token").write_text(TOKEN + "\n")
    given = flags(empty, token_env=None, token_credential="jenkins-token")
    assert empty.run("init", *given).returncode == 0
    assert 'token_credential = "jenkins-token"' in empty.config.read_text()
    assert "user reader, token accepted" in empty.run("check").stdout
    elsewhere = empty.directory / "credentials"
    elsewhere.mkdir()
    empty.environ["CREDENTIALS_DIRECTORY"] = str(elsewhere)
    assert empty.run("check").returncode == 78


def test_a_missing_flag_without_a_terminal(empty: Site) -> None:
    """One sentence with all that is missing, exit 64; nothing is asked or written."""
    result = empty.run("init", "--user", "reader")
    assert result.returncode == 64
    (line,) = result.stderr.strip().splitlines()
    assert line.endswith(
        "no terminal to ask on, so init needs --url URL, --token-env NAME, --environment NAME,"
        " --api-key-env NAME"
    )
    assert empty.jenkins.requests == []
    assert not empty.config.exists()


def test_it_refuses_to_overwrite(site: Site) -> None:
    """Before it asks anything."""
    before = site.config.read_text()
    result = site.run("init", *flags(site))
    assert result.returncode == 64
    assert "is there already, and is not overwritten" in result.stderr
    assert before == site.config.read_text()
    assert site.jenkins.requests == []


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"url": "jenkins"}, 78, "a web address: https://host/path"),
        ({"url": "http://u:p@h/"}, 78, "no credentials in an address"),
        ({"url": "http://127.0.0.1:1/"}, 69, "reachable from here"),
        ({"user": "stranger"}, 69, "user stranger or its token is refused"),
        ({"token_env": "NO_SUCH_TOKEN"}, 78, "the variable NO_SUCH_TOKEN is not set"),
        ({"token_env": None, "token_file": "/nowhere"}, 78, "can't read /nowhere"),
        ({"token_file": "/x"}, 64, "one of env, file, credential, not several"),
        ({"base_url": "http://127.0.0.1:1/"}, 69, "reachable from here"),
        ({"base_url": None, "environment": "PROD9"}, 78, "a web address"),
        ({"api_key_env": "JENKINS_TOKEN"}, 69, "the API key is refused"),
        ({"instance_guid": "7"}, 78, "a UUID"),
        ({"ca_file": "/nowhere/ca.pem"}, 1, "ca_file: can't use /nowhere/ca.pem"),
    ],
)
def test_wrong_answers_without_a_terminal(
    empty: Site, changed: dict[str, str | None], code: int, words: str
) -> None:
    """The reason and the exit code; nothing is written."""
    result = empty.run("init", *flags(empty, **changed))
    assert (code, True) == (result.returncode, words in result.stderr), result.stderr
    assert not empty.config.exists()


def test_on_a_terminal(empty: Site) -> None:
    """It asks for each answer, tells what it saw, and asks again for what is wrong."""
    with Terminal(empty, "init") as terminal:
        terminal.answer("Jenkins' url", "http://127.0.0.1:1/")
        terminal.expect("reachable from here")
        terminal.answer("Jenkins' url", empty.jenkins_server.url)
        terminal.expect("Jenkins 2.448")
        terminal.answer("Jenkins user", "stranger")
        terminal.answer("where its API token is", "")
        terminal.expect("user stranger or its token is refused")
        terminal.answer("Jenkins user", "reader")
        terminal.answer("where its API token is", "nonsense")
        terminal.expect("one of: env NAME, file PATH, credential NAME")
        terminal.answer("Jenkins user", "")
        terminal.answer("where its API token is", "env JENKINS_TOKEN")
        terminal.expect("user reader, token accepted")
        terminal.answer("SEI's environment", f"{empty.sei_server.url}sei/api/v1")
        terminal.answer("where SEI's API key is", "env SEI_API_KEY")
        terminal.expect("API key accepted")
        terminal.answer("the controller's name", "")
        terminal.answer("its instance GUID", "")
        terminal.expect(f"wrote {empty.config}")
    assert terminal.code == 0
    assert TOKEN not in terminal.shown
    assert "Traceback" not in terminal.shown
    assert 'name = "main"' in empty.config.read_text()
    assert "no instance_guid yet" in empty.run("check").stdout


def test_a_wrong_flag_is_asked_for_in_its_turn(empty: Site) -> None:
    """What was right before it is not asked."""
    with Terminal(empty, "init", *flags(empty, name="x" * 251)) as terminal:
        terminal.expect("API key accepted")
        terminal.answer("its instance GUID", "")
        terminal.expect("name: String should have at most 250 characters")
        terminal.answer("the controller's name", "east")
        terminal.answer("its instance GUID", "")
        terminal.expect("wrote")
    assert terminal.code == 0
    assert "Jenkins' url" not in terminal.shown
    assert 'name = "east"' in empty.config.read_text()


def test_a_secret_can_be_pasted(empty: Site) -> None:
    """It is not shown, and goes into a file of its own, for its owner only; a wrong one, anew."""
    token = empty.directory / "secrets" / "token"
    with Terminal(empty, "init", *flags(empty, token_env=None)) as terminal:
        terminal.answer("where its API token is", f"file {token}")
        terminal.answer("paste the secret", "mistyped")
        terminal.expect("its token is refused")
        terminal.answer("Jenkins user", "")
        terminal.answer("where its API token is", "")
        terminal.answer("paste the secret", TOKEN)
        terminal.expect("token accepted")
        terminal.answer("the controller's name", "east")
        terminal.answer("its instance GUID", GUID)
        terminal.expect("wrote")
    assert terminal.code == 0, terminal.shown
    assert TOKEN not in terminal.shown
    assert "mistyped" not in terminal.shown
    assert token.read_text() == TOKEN + "\n"
    assert oct(token.stat().st_mode & 0o777) == "0o600"
    assert empty.run("check").returncode == 0


def test_ctrl_c_and_the_end_of_input(empty: Site) -> None:
    """Nothing is written, and no traceback."""
    for end, code in ((Terminal.interrupt, 130), (Terminal.end_input, 1)):
        with Terminal(empty, "init") as terminal:
            terminal.expect("Jenkins' url")
            terminal.expect(": ")
            end(terminal)
        assert terminal.code == code
        assert "nothing was written" in terminal.shown
        assert "Traceback" not in terminal.shown
    assert not empty.config.exists()


def test_check_and_register_on_a_terminal(empty: Site) -> None:
    """The same lines and codes as without one."""
    assert empty.run("init", *flags(empty)).returncode == 0
    with Terminal(empty, "check") as terminal:
        terminal.expect("wrong   SEI for main: key accepted; no instance_guid yet")
    assert terminal.code == 78
    with Terminal(empty, "register", "--integration-id", "4711") as terminal:
        terminal.expect('instance_guid = "')
        terminal.expect("put it into the [[controllers]] table")
    assert terminal.code == 0
    with Terminal(empty, "register") as terminal:
        terminal.expect("needs --integration-id")
    assert terminal.code == 64


def test_where_it_goes(tmp_path: Path) -> None:
    """As given, as the variable says, /etc for root, else the user's own."""
    assert target(tmp_path / "x.toml", {}, root=True) == tmp_path / "x.toml"
    variable = {"SEI_POLLER_CONFIG": str(tmp_path / "y.toml")}
    assert target(None, variable, root=True) == tmp_path / "y.toml"
    assert target(tmp_path / "x.toml", variable, root=False) == tmp_path / "x.toml"
    own = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert target(None, own, root=False) == tmp_path / "sei-poller" / "poller.toml"
    (tmp_path / "x.toml").touch()
    with pytest.raises(UsageError):
        target(tmp_path / "x.toml", {}, root=False)


def test_a_service_has_its_secrets_and_its_ledger_where_its_unit_says() -> None:
    """sei-poller.service, and sei-poller@east.service."""
    asked = {one.key: one for one in questions(ETC / "east.toml")}
    assert asked["token"].default == "credential east-jenkins-token"
    assert asked["key"].default == "credential sei-api-key"
    assert ledger_for(ETC / "poller.toml") == Path("/var/lib/sei-poller/ledger.db")
    assert ledger_for(ETC / "east.toml") == Path("/var/lib/sei-poller-east/ledger.db")
    assert ledger_for(Path("/home/me/poller.toml")) is None
    assert len(missing(questions(ETC / "poller.toml"), {})) == 5


def test_the_text_loads(tmp_path: Path) -> None:
    """Whatever letters the answers have."""
    draft = {
        "name": 'a "quoted" \\ näme',
        "url": "https://jenkins.example.com/",
        "user": "r'eader",
        "token": "credential jenkins-token",
        "place": "EU",
        "key": "env SEI_API_KEY",
        "guid": "",
        "proxy": "http://proxy:3128",
    }
    path = tmp_path / "new" / "poller.toml"
    write(path, text_of(draft, tmp_path / "ledger.db"))
    assert load(path, {}).controllers[0].name == draft["name"]
    with pytest.raises(ConfigError):
        write(path, text_of(draft, None))
    assert os.listdir(path.parent) == ["poller.toml"]


def test_http_is_written_down_where_it_was_allowed(tmp_path: Path) -> None:
    """By its flag, and only in the table whose address needs it; without the flag it is refused."""
    draft = {
        "name": "main", "url": "http://jenkins.example.com/", "user": "reader",
        "token": "env T", "place": "http://127.0.0.1:8080/", "key": "env K", "guid": "",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="allow_http = true"):
        write(tmp_path / "poller.toml", text_of(draft, None))
    text = text_of({**draft, "allow_http": "true"}, None)
    assert text.count("allow_http = true") == 1
    write(tmp_path / "poller.toml", text)
    assert load(tmp_path / "poller.toml", {}).controllers[0].allow_http


@pytest.mark.parametrize("text", ["", "env", "env ", "vault x", "s3cret"])
def test_what_is_no_source(text: str) -> None:
    """Refused, without repeating it: it may be the secret itself."""
    with pytest.raises(ConfigError) as caught:
        source(text)
    assert not text or text not in str(caught.value).replace("env NAME", "")


def test_a_file_is_named_in_full() -> None:
    """Whatever folder the service starts in."""
    assert source("file token") == ("file", str(Path("token").absolute()))
