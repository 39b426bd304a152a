"""What is wrong with a config is told in the config's words: the key, what it takes, which was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from poller.config.load import check_secrets, load, show
from poller.core.errors import ConfigError
from poller.core.known_secrets import mask

CONTROLLER = """
[[controllers]]
name = "main"
url = "https://ci.example.com/"
user = "reader"
token_env = "T"
"""
SEI = '[sei]\nenvironment = "EU"\napi_key_env = "K"\n'
HARNESS = '[harness]\naccount = "a"\norg = "o"\nproject = "p"\napi_key_env = "K"\n'
FOREIGN = re.compile(
    r"tuple|dictionary|instance of|Input should|String should|\^|\\d|valid (string|boolean|number)"
)
"""Words of pydantic, and of regular expressions."""


def told(tmp_path: Path, text: str) -> list[str]:
    """What is wrong, without the file's name."""
    path = tmp_path / "poller.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return [finding.removeprefix(f"{path}:") for finding in caught.value.findings]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{CONTROLLER}every = 5\n{SEI}", "7: controllers[0].every: a span is a number and a unit"),
        (f"{CONTROLLER}stages = 5\n{SEI}", "7: controllers[0].stages: one of auto, wfapi, graph"),
        (f'{CONTROLLER}include = "a"\n{SEI}', "7: controllers[0].include: a list: [ … ]"),
        (f"{CONTROLLER}modules = 1\n{SEI}", "7: controllers[0].modules: true or false, without quo"),
        (f"{CONTROLLER}instance_url = 1\n{SEI}", "7: controllers[0].instance_url: a text, in quotes"),
        (f'{CONTROLLER}instance_name = ""\n{SEI}', "7: controllers[0].instance_name: is empty"),
        (f"{CONTROLLER}max_connections = 99\n{SEI}", "7: controllers[0].max_connections: at most 32"),
        (f"{CONTROLLER}request_rate = 0\n{SEI}", "7: controllers[0].request_rate: more than 0"),
        (f"controllers = 5\n{SEI}", "1: controllers: a list: [ … ]"),
        (f"controllers = []\n{SEI}", "1: controllers: at least 1 item"),
        (f"{CONTROLLER}sei = 5\n", "7: controllers[0].sei: no such key"),
        (f"sei = 5\n{CONTROLLER}", "1: sei: a table"),
        (CONTROLLER + SEI.replace("EU", "prod2"), "8: sei.environment: one of PROD0, PROD1, PROD2"),
        (CONTROLLER + SEI.replace("EU", "prod2"), "did you mean PROD2?"),
        (CONTROLLER + SEI + HARNESS.replace('"o"', '"a b"'), "12: harness.org: not of its form: Ident"),
        (f'{CONTROLLER}{SEI}[status]\nlisten = "x"\n', "11: status.listen: not of its form: HOST:PORT"),
        (f"{CONTROLLER}{SEI}[sei.results]\nABORTED = 1\n", "11: sei.results.ABORTED: a text, in quo"),
        (f"{CONTROLLER}{SEI}results = {{ ABORTED = 1 }}\n", "10: sei.results.ABORTED: a text, in quo"),
        (CONTROLLER + CONTROLLER + SEI,
         "9: controllers[1].name: controllers need names of their own; twice: main; the other is in"
         " line 3"),
    ],
)  # fmt: skip
def test_words(tmp_path: Path, text: str, words: str) -> None:
    """Of each kind of mistake, with its line."""
    findings = told(tmp_path, text)
    assert any(words in finding for finding in findings), findings
    assert not FOREIGN.search("\n".join(findings))


MISPLACED = "X3can4ryV90a1b2c3d9k"


@pytest.mark.parametrize("key", ["token_env", "token_file", "token_credential"])
def test_a_secret_in_the_place_of_a_name_is_not_shown(tmp_path: Path, key: str) -> None:
    """Nor by `config show`; what looks like a name is."""
    for name, shown in ((MISPLACED, "****"), ("JENKINS_TOKEN_2024", "JENKINS_TOKEN_2024")):
        path = tmp_path / "poller.toml"
        controller = CONTROLLER.replace('token_env = "T"', f"{key} = '{name}'")
        path.write_text(controller + SEI)
        settings = load(path, {})
        findings = check_secrets(settings, {"CREDENTIALS_DIRECTORY": "/nowhere", "K": "x" * 20})
        assert shown in mask("\n".join(findings))
        assert MISPLACED not in mask("\n".join([*findings, str(show(settings))]))


@pytest.mark.parametrize(
    "text", [f"{CONTROLLER}{MISPLACED} = 1\n{SEI}", f'{CONTROLLER}{SEI}[redact]\npatterns = ["{MISPLACED}("]\n'],
)  # fmt: skip
def test_a_secret_in_another_wrong_place_is_not_repeated(tmp_path: Path, text: str) -> None:
    """As a key, or a pattern that is none."""
    assert MISPLACED not in mask("\n".join(told(tmp_path, text)))
