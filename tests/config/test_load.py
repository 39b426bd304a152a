"""The config: what is right loads, what is wrong is told, all at once."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from poller.config.error_lines import line_of
from poller.config.load import (
    check_secrets,
    default_ledger,
    default_paths,
    find,
    load,
    schema,
    show,
)
from poller.config.rules import ArtifactPattern, CommitPattern, Extract, Rule, StageCondition
from poller.config.secrets import read_secret
from poller.config.servers import ControllerConfig, JsonlConfig, SeiConfig
from poller.config.settings import LedgerConfig, RedactConfig, Settings, StatusConfig
from poller.core.errors import ConfigError
from poller.core.patterns import Globs, matches
from poller.core.times import ago, iso, parse_size, parse_span, parse_when, size_text, span_text

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "poller.example.toml"
GUID = str(uuid.UUID(int=7))
SHORTEST = f"""
[[controllers]]
name = "main"
url = "https://jenkins.example.com"
user = "sei-reader"
token_env = "JENKINS_TOKEN"
instance_guid = "{GUID}"

[sei]
environment = "PROD2"
api_key_env = "SEI_API_KEY"
"""
EXTRACT = """
[[extract]]
match = "**"
{0} = {{ pattern = '{1}'{2} }}
"""


def write(tmp_path: Path, text: str) -> Path:
    """A config file."""
    path = tmp_path / "poller.toml"
    path.write_text(text)
    return path


def findings(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a config."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), {})
    assert caught.value.exit_code == 78
    return caught.value.findings


def test_the_shortest_config_has_all_defaults(tmp_path: Path) -> None:
    """One controller and SEI."""
    settings = load(write(tmp_path, SHORTEST), {"STATE_DIRECTORY": "/var/lib/x"})
    (controller,) = settings.controllers
    assert controller.url == "https://jenkins.example.com/"
    assert (controller.every, controller.since, controller.max_connections) == (60_000, "7d", 4)
    assert settings.sei is not None
    assert settings.sei.base == "https://app.harness.io/gratis/sei/api/v1"
    assert settings.ledger.path == "/var/lib/x/ledger.db"


def test_the_example_loads() -> None:
    """As it stands."""
    assert load(EXAMPLE, {}).controllers[0].name == "main"


def test_the_commented_keys_of_the_example_are_keys(tmp_path: Path) -> None:
    """Taken in, in place of those that they stand against."""
    text = re.sub(
        r"^(token_env|every|environment|api_key_env) = .*$", "", EXAMPLE.read_text(), flags=re.M
    )
    text = re.sub(r"^#(token_file|api_key_file) = .*$", "", text, flags=re.M)
    settings = load(write(tmp_path, re.sub(r"^#(\w+ = )", r"\1", text, flags=re.M)), {})
    assert settings.controllers[0].cron == "*/5 * * * *"
    assert settings.status.listen == "127.0.0.1:9155"


@pytest.mark.parametrize(
    "table",
    [
        Settings,
        ControllerConfig,
        SeiConfig,
        JsonlConfig,
        RedactConfig,
        Rule,
        StageCondition,
        Extract,
        ArtifactPattern,
        CommitPattern,
        LedgerConfig,
        StatusConfig,
    ],
)
def test_every_key_stands_in_the_example(table: type[BaseModel]) -> None:
    """And has a description in the schema."""
    text = EXAMPLE.read_text()
    for field_name, field in table.model_fields.items():
        name = field.alias or field_name
        assert re.search(rf"(^|[#\[{{ .]){name}( =|\])", text, re.MULTILINE), name
        assert field.description, name


@pytest.mark.parametrize(
    "value",
    ['"yes"', "1", "{ stage = 'Rollback' }", "{ stage = 'Rollback', when = 'run' }",
     "{ stage = '', when = 'ran' }", "{ stage = 'x', when = 'ran', then = 1 }", "[true]"],
)  # fmt: skip
def test_what_cfr_status_takes(tmp_path: Path, value: str) -> None:
    """Told in one line, whatever was wrong with it."""
    text = f"{SHORTEST}[[rules]]\nmatch = '**'\ncfr_status = {value}\n"
    (line,) = findings(tmp_path, text)
    assert line.endswith(
        'rules[0].cfr_status: true, false, or { stage = "Rollback*", when = "ran" } (or "failed")'
    )
    assert f":{len(text.splitlines())}:" in line


def test_the_schema_in_the_repository_is_true() -> None:
    """`sei-poller config schema > config/poller.schema.json` after a change."""
    assert schema() == json.loads((ROOT / "config" / "poller.schema.json").read_text())


def test_every_error_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    """File, line, key, and what is allowed."""
    text = SHORTEST.replace(
        'user = "sei-reader"', 'usr = "x"\nevery = "soon"\nmax_connections = "4"'
    )
    told = findings(tmp_path, text.replace('"PROD2"', '"PROD9"'))
    path = tmp_path / "poller.toml"
    assert f"{path}:5: controllers[0].usr: no such key; did you mean user?" in told
    assert any(line.startswith(f"{path}:6: controllers[0].every: a span is") for line in told)
    assert any(line.startswith(f"{path}:7: controllers[0].max_connections:") for line in told)
    assert any("controllers[0].user: is missing" in line for line in told)
    assert any("sei.environment" in line and "PROD1" in line for line in told)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('token_env = "JENKINS_TOKEN"', "", "exactly one of token_env"),
        (
            'token_env = "JENKINS_TOKEN"',
            'token_env = "A"\ntoken_file = "b"',
            "exactly one of token_env",
        ),
        ('environment = "PROD2"', "", "exactly one of environment"),
        ("https://jenkins.example.com", "https://u:pw@jenkins.example.com", "no credentials"),
        ("https://jenkins.example.com", "jenkins.example.com", "web address"),
        (GUID, "not-a-guid", "a UUID"),
        ('user = "sei-reader"', 'user = "x"\ncron = "every day"', "five cron fields"),
        ('user = "sei-reader"', 'user = "x"\ncron = "0 * * * *"\nevery = "1m"', "not both"),
        ('user = "sei-reader"', 'user = "x"\nsince = "soon"', "WHEN is"),
        ('user = "sei-reader"', 'user = "x"\nevery = "0s"', "at least 1s"),
        ('user = "sei-reader"', 'user = "x"\ntimeout = "1ms"', "[0].timeout: at least 1s"),
        ("[sei]", '[sei]\ntimeout = "999ms"', "sei.timeout: at least 1s"),
        ("[sei]", '[reconcile]\nevery = "0s"\n[sei]', "reconcile.every: at least 1s"),
        ("[sei]", '[redact]\npatterns = ["("]\n[sei]', "redact.patterns[0]: not a regular expr"),
        ("[sei]", '[redact]\npatterns = ["(a)\\\\1"]\n[sei]', "no back references"),
        ("[sei]", '[redact]\npatterns = ["(?<=x)y"]\n[sei]', "no look-around"),
        ("[sei]", '[redact]\npatterns = ["x*"]\n[sei]', "matches the empty text"),
        ("[sei]", EXTRACT.format("commit", "(?P<sha>.+)", "") + "[sei]", "no such group: sha"),
        ("[sei]", EXTRACT.format("commit", "abc", "") + "[sei]", "is missing: commit, as (?P<com"),
        (
            "[sei]",
            EXTRACT.format("artifact", "(?P<name>.+)", ', type = "x"') + "[sei]",
            "is missing: location, qualifier",
        ),
        ("[sei]", "[se]", "[sei] is missing"),
    ],
)
def test_what_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Each with the cure; no value that may be a secret is repeated."""
    text = SHORTEST.replace(old, new)
    if new == "[se]":
        text = text[: text.index("[se]")]
    told = "\n".join(findings(tmp_path, text))
    assert words in told
    assert "u:pw" not in told


def test_a_bad_pattern_is_told_with_its_line(tmp_path: Path) -> None:
    """Of the second rule, too."""
    rules = EXTRACT.format("commit", "(?P<commit>.+)", "") + EXTRACT.format("commit", "(a", "")
    (told,) = findings(tmp_path, SHORTEST + rules)
    line = (SHORTEST + rules).splitlines().index("commit = { pattern = '(a' }") + 1
    assert f":{line}: extract[1].commit.pattern: not a regular expression of RE2" in told


def test_two_controllers_of_one_name_are_refused(tmp_path: Path) -> None:
    """Rows of the ledger belong to a name."""
    controller = SHORTEST[: SHORTEST.index("[sei]")]
    assert "twice: main" in findings(tmp_path, controller + SHORTEST)[0]


@pytest.mark.parametrize("text", ["[[controllers]\n", "a = \n", "\x00"])
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    """And no traceback."""
    assert "line 1" in findings(tmp_path, text)[0]


def test_the_line_of_the_second_controller(tmp_path: Path) -> None:
    """Each table of a list has its own lines."""
    text = "[[controllers]]\nname = 1\n\n[[controllers]]\nname = 2\n"
    assert line_of(text, ("controllers", 1, "name")) == 5
    assert line_of(text, ("controllers", 0, "name")) == 2
    assert line_of(text, ("controllers", 1, "url")) == 4


def test_results_are_laid_over_the_defaults(tmp_path: Path) -> None:
    """One changed, the others as they were."""
    settings = load(write(tmp_path, SHORTEST + '[sei.results]\nABORTED = "skip"\n'), {})
    assert settings.sei is not None
    assert settings.sei.results["ABORTED"] == "skip"
    assert settings.sei.results["UNSTABLE"] == "FAILURE"


def test_find_takes_the_first_that_is_named(tmp_path: Path) -> None:
    """The option, then the variable."""
    assert find(Path("a"), {"SEI_POLLER_CONFIG": "b"}, root=False) == Path("a")
    assert find(None, {"SEI_POLLER_CONFIG": "b"}, root=True) == Path("b")


def test_where_a_config_is_looked_for(tmp_path: Path) -> None:
    """In a user's own folder, then the service's; for root in the latter alone; never in one that
    depends on where the command is typed."""
    etc, own = Path("/etc/sei-poller/poller.toml"), tmp_path / "sei-poller" / "poller.toml"
    variable = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert default_paths(variable, root=False) == [own, etc]
    assert default_paths(variable, root=True) == [etc]
    home = Path("~/.config/sei-poller/poller.toml").expanduser()
    assert default_paths({"XDG_CONFIG_HOME": "config"}, root=False) == [home, etc]
    own.parent.mkdir()
    own.touch()
    assert find(None, variable, root=False) == own


def test_the_ledger_lies_where_the_system_keeps_state() -> None:
    """systemd's directory, then XDG's."""
    assert default_ledger({"STATE_DIRECTORY": "/s:/t"}) == Path("/s/ledger.db")
    assert default_ledger({"XDG_STATE_HOME": "/x"}) == Path("/x/sei-poller/ledger.db")


def test_secrets_are_read_from_three_places(tmp_path: Path) -> None:
    """And show themselves to nobody."""
    (tmp_path / "token").write_text("s3cret\n")
    sources = {
        'token_env = "JENKINS_TOKEN"': {"JENKINS_TOKEN": "s3cret"},
        f'token_file = "{tmp_path}/token"': {},
        'token_credential = "token"': {"CREDENTIALS_DIRECTORY": str(tmp_path)},
    }
    for source, environ in sources.items():
        text = SHORTEST.replace('token_env = "JENKINS_TOKEN"', source)
        controller = load(write(tmp_path, text), {}).controllers[0]
        secret = read_secret(controller, environ)
        assert secret.get_secret_value() == "s3cret"
        assert "s3cret" not in f"{secret!r} {secret} {[secret]}"


def test_missing_secrets_are_all_told(tmp_path: Path) -> None:
    """Each with the key and where it was looked for."""
    settings = load(write(tmp_path, SHORTEST), {})
    told = check_secrets(settings, {"JENKINS_TOKEN": "two\nlines"})
    assert len(told) == 2
    assert "the variable JENKINS_TOKEN is not one line of UTF-8 text" in told[0]
    assert "two" not in told[0]
    assert "SEI_API_KEY" in told[1]


def test_show_is_what_the_file_would_have() -> None:
    """Spans and sizes as people write them; sources of secrets, no secrets."""
    shown = show(load(EXAMPLE, {}))
    assert shown["controllers"][0]["every"] == "1m"
    assert shown["controllers"][0]["log_limit"] == "1MiB"
    assert shown["controllers"][0]["token_env"] == "JENKINS_TOKEN"


@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m", "h", "d", "w"]))
def test_spans_come_back(number: int, unit: str) -> None:
    """Whatever the unit."""
    span = parse_span(f"{number}{unit}")
    assert parse_span(span_text(span)) == span


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 fortnights", "1e3s"])
def test_what_is_no_span(text: str) -> None:
    """The message says what one is."""
    with pytest.raises(ValueError, match="a span is"):
        parse_span(text)


def test_when() -> None:
    """Dates, times with and without zone, spans, all."""
    now = 1_800_000_000_000
    assert parse_when("all", now) == 0
    assert parse_when("1h", now) == now - 3_600_000
    assert parse_when("1970-01-02", now) == 86_400_000
    assert parse_when("1970-01-01T01:00:00+01:00", now) == 0
    with pytest.raises(ValueError, match="WHEN is"):
        parse_when("yesterday", now)
    assert iso(86_400_000) == "1970-01-02T00:00:00Z"
    assert (ago(5_000), ago(180_000), ago(86_400_000 * 3)) == ("5 s", "3 min", "3 d")
    assert parse_size(size_text(2**20)) == 2**20


@pytest.mark.parametrize(
    ("name", "glob", "expected"),
    [
        ("a/b", "**", True), ("a/b", "*", False), ("a", "*", True), ("a/b/c", "a/**", True),
        ("a", "a/**", False), ("x/y/b", "**/b", True), ("b", "**/b", True), ("A", "a", False),
        ("mb/feature%2Fone", "mb/feature%2F*", True), ("a.b", "a?b", True), ("a/b", "a?b", False),
    ],
)  # fmt: skip
def test_globs(name: str, glob: str, expected: bool) -> None:
    """A star stays within its segment."""
    assert matches(name, glob) is expected


def test_exclude_wins() -> None:
    """Over include."""
    globs = Globs(["team/**"], ["team/x/**"])
    assert globs.selects("team/a")
    assert not globs.selects("team/x/a")


def test_a_controller_that_is_wrong_is_not_also_missing(tmp_path: Path) -> None:
    """One mistake is one line; none at all is one, too."""
    path = tmp_path / "poller.toml"
    path.write_text('[[controllers]]\nname = "main"\nurll = "https://ci.example.com/"\n')
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert not [finding for finding in caught.value.findings if "at least 1 item" in finding]
    path.write_text("controllers = []\n")
    with pytest.raises(ConfigError, match="at least 1 item"):
        load(path, {})


def test_a_credential_that_has_no_file_is_told_with_its_file(tmp_path: Path) -> None:
    """The units give an empty line then."""
    (tmp_path / "jenkins-token").write_text("\n")
    text = SHORTEST.replace('token_env = "JENKINS_TOKEN"', 'token_credential = "jenkins-token"')
    controller = load(write(tmp_path, text), {}).controllers[0]
    with pytest.raises(ConfigError, match="/etc/sei-poller/jenkins-token, or"):
        read_secret(controller, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
