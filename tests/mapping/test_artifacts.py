"""Artifacts of all their sources, and what they say of `ci` and `cd`."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from poller.config.rules import Rule
from poller.jenkins.build import ArchivedFile, Build
from poller.mapping.artifacts import MOST, artifacts, ci_and_cd
from poller.mapping.evidence import EnrichedBuild, Manifest
from poller.mapping.extract import Extracted
from poller.mapping.payload import Artifact
from poller.mapping.redaction import Redactor
from poller.mapping.rules import NO_RULE, MatchedRule

URL = "https://ci/job/app/7/"


def artifact(**changes: Any) -> Artifact:
    """An artifact that the build made."""
    given: dict[str, Any] = {
        "input": False, "output": True, "type": "container", "location": "registry/app",
        "name": "app", "qualifier": "1.0",
    }  # fmt: skip
    return Artifact(**{**given, **changes})


def rule(**keys: Any) -> MatchedRule:
    """The first rule, with these keys."""
    return MatchedRule(1, Rule(match="**", **keys))


def found(
    *files: str,
    rule: MatchedRule = NO_RULE,
    manifests: tuple[Manifest, ...] = (),
    extracted: tuple[Artifact, ...] = (),
) -> tuple[list[Artifact], str]:
    """What is sent, and from where."""
    listed = [ArchivedFile(file.rpartition("/")[2], file) for file in files]
    build = Build(7, artifacts=listed)
    enriched = EnrichedBuild(
        build, Redactor(), manifests=manifests, extracted=Extracted(artifacts=extracted)
    )
    return artifacts(enriched, rule, URL)


def test_order_of_the_sources() -> None:
    """Manifests, then what was extracted, then archived files if a rule asks; doubles once."""
    one, two = artifact(), artifact(name="two")
    manifests = (
        Manifest("sei-artifacts.json", (one,)), Manifest("x/artifact-manifest.json", (one,)),
    )  # fmt: skip
    files = ("target/app.jar", "target/app.txt", "sei-artifacts.json")
    sent, source = found(
        *files,
        rule=rule(archived_files=("**/*.jar", "*.json")),
        manifests=manifests,
        extracted=(one, two),
    )
    assert [one.name for one in sent] == ["app", "two", "target/app.jar"]
    assert source == "1 of sei-artifacts.json, 1 of [[extract]], 1 of archived_files of rule 1 (**)"
    assert found(*files) == ([], "nothing names one")


def test_an_archived_file() -> None:
    """Is an output of the build, and can be found at Jenkins."""
    ((one,), _) = found("target/file with space & ü.txt", rule=rule(archived_files=("**",)))
    assert one == Artifact(
        input=False,
        output=True,
        type="file",
        location="https://ci/job/app/7/artifact/target/file%20with%20space%20%26%20%C3%BC.txt",
        name="target/file with space & ü.txt",
        qualifier="7",
    )


def test_no_secret_leaves() -> None:
    """By the name of metadata, in its value, in an address, in a name."""
    metadata = {"password": "pw", "url": "https://u:pw@h/", "n": 1, "ok": "x\x00"}
    one = artifact(location="https://u:pw@registry/app", name="--token abc", metadata=metadata)
    ((sent,), _) = found(extracted=(one,))
    assert (sent.location, sent.name) == ("https://registry/app", "--token ****")
    assert sent.metadata == {"url": "https://****@h/", "ok": "x"}


def test_limits() -> None:
    """Of each text, of metadata, of their number."""
    long = artifact(
        name="x" * 5_000, type="t" * 500, metadata={f"k{n}": "v" * 5_000 for n in range(300)}
    )
    many = tuple(artifact(name=f"n{n}") for n in range(900))
    sent, _ = found(extracted=(long, *many))
    assert len(sent) == MOST
    assert (len(sent[0].name), len(sent[0].type)) == (2_000, 250)
    assert isinstance(sent[0].metadata, dict)
    assert (len(sent[0].metadata), len(sent[0].metadata["k0"])) == (100, 2_000)


OUTPUT, INPUT = artifact(), artifact(input=True, output=False)
NEITHER, BOTH = artifact(output=False), artifact(input=True)


@pytest.mark.parametrize(
    ("keys", "ones", "expected"),
    [
        ({}, [], (True, False, "default: no rule, no artifact says")),
        ({}, [NEITHER], (True, False, "default: no rule, no artifact says")),
        ({}, [OUTPUT], (True, False, "artifacts: an output is CI, an input CD")),
        ({}, [INPUT], (False, True, "artifacts: an output is CI, an input CD")),
        ({}, [INPUT, OUTPUT], (True, True, "artifacts: an output is CI, an input CD")),
        ({}, [BOTH], (True, True, "artifacts: an output is CI, an input CD")),
        ({"cd": True}, [OUTPUT], (False, True, "rule 1 (**)")),
        ({"cd": False}, [], (True, False, "rule 1 (**)")),
        ({"ci": True}, [INPUT], (True, False, "rule 1 (**)")),
        ({"ci": False}, [], (False, True, "rule 1 (**)")),
        ({"ci": True, "cd": True}, [], (True, True, "rule 1 (**)")),
        ({"ci": False, "cd": False}, [OUTPUT], (False, False, "rule 1 (**)")),
    ],
)
def test_ci_and_cd(
    keys: dict[str, bool], ones: list[Artifact], expected: tuple[bool, bool, str]
) -> None:
    """The rule, else the artifacts, else CI."""
    assert expected == ci_and_cd(rule(**keys), ones)


@pytest.mark.parametrize(
    ("keys", "found", "default", "expected"),
    [
        ({"ci": True, "cd": True}, (), (True, False), (True, True)),
        ({"ci": "unset", "cd": True}, (), (True, False), (UNSET, True)),
        ({"ci": "unset", "cd": "unset"}, (), (True, False), (UNSET, UNSET)),
        ({"cd": "unset"}, (), (True, True), (True, UNSET)),
        ({"cd": False}, (), (False, True), (True, False)),
        ({}, (), ("unset", True), (UNSET, True)),
        ({}, (artifact(),), ("unset", "unset"), (True, False)),
    ],
)
def test_ci_and_cd_have_three_values(
    keys: dict[str, Any], found: tuple[Artifact, ...], default: Any, expected: Any
) -> None:
    """Both may be true, and each may be left out."""
    assert expected == ci_and_cd(rule(**keys), found, default)[:2]
