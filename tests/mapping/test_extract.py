"""Artifacts and commits out of console logs."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from poller.config.rules import Extract
from poller.mapping.extract import MOST_ARTIFACTS, MOST_COMMITS, Extracted, Extraction, Extractor
from poller.mapping.payload import Artifact

PUSHED = r"pushed (?P<location>\S+)/(?P<name>[^/:]+):(?P<qualifier>\S+)(?: digest (?P<hash>\S+))?"
REVISION = r"^Checking out Revision (?P<commit>[0-9a-f]{40})"
SHA = "9fceb02d0ae598e95dc970b74767f19372d61af8"


def rule(match: str = "**", **kind: dict[str, Any]) -> Extract:
    """One ``[[extract]]`` table."""
    return Extract.model_validate({"match": match, **kind})


CONTAINER = rule(artifact={"pattern": PUSHED, "type": "container", "output": True})
COMMIT = rule(commit={"pattern": REVISION})


def extracted(log: str, *rules: Extract) -> Extracted:
    """What the rules find in a log."""
    extractor = Extractor(Extraction(rules).of_job("team/app"))
    extractor.feed(log.encode())
    return extractor.found()


def test_named_groups_make_an_artifact() -> None:
    """With what the rule says of its kind."""
    found = extracted("x\npushed reg.example.com/team/app:1.2 digest sha256:ab\n", CONTAINER)
    expected = Artifact(
        input=False, output=True, type="container", location="reg.example.com/team", name="app",
        qualifier="1.2", hash="sha256:ab",
    )  # fmt: skip
    assert found == Extracted((expected,), by=(1,))


def test_a_group_that_took_no_part_is_left_out() -> None:
    """And an artifact without one that SEI needs is none."""
    (artifact,) = extracted("pushed r/app:1\n", CONTAINER).artifacts
    assert artifact.hash is UNSET
    loose = rule(artifact={
        "pattern": r"made (?P<name>\w+)(?: in (?P<location>\S+) as (?P<qualifier>\S+))?", "type": "x",
    })  # fmt: skip
    found = extracted("made a\nmade b in /x as 1\n", loose)
    assert [artifact.name for artifact in found.artifacts] == ["b"]


def test_first_come_no_doubles() -> None:
    """In the order of the log, over all rules."""
    other = rule(
        artifact={
            "pattern": r"used (?P<location>\w)/(?P<name>\w):(?P<qualifier>\w)",
            "type": "jar",
            "input": True,
        }
    )
    log = "used r/b:1\npushed r/a:1\nused r/b:1\npushed r/a:1 pushed r/c:1\nused r/a:1\n"
    found = extracted(log, CONTAINER, other)
    assert [(a.type, a.name) for a in found.artifacts] == [
        ("jar", "b"), ("container", "a"), ("container", "c"), ("jar", "a"),
    ]  # fmt: skip


def test_commits() -> None:
    """Whole lines begin and end where the log's do."""
    log = f"  Checking out Revision {'0' * 40}\nChecking out Revision {SHA} (origin/main)\n" * 2
    assert extracted(log, COMMIT).commits == (SHA,)


def test_no_match_reaches_over_a_line() -> None:
    """White space in a pattern is not the end of one."""
    spaced = rule(commit={"pattern": r"commit\s+(?P<commit>\S+)"})
    assert extracted("commit\nabc\ncommit \t def\n", spaced).commits == ("def",)


def test_only_rules_of_the_job() -> None:
    """A glob over the full name."""
    extraction = Extraction([rule("other/**", commit={"pattern": REVISION}), COMMIT])
    assert len(extraction.of_job("other/app")) == 2
    assert len(extraction.of_job("team/app")) == 1
    assert Extraction().of_job("team/app") == []


def test_bounded_counts() -> None:
    """However often a pattern matches."""
    log = "".join(f"pushed r/a:{n}\nChecking out Revision {n:040x}\n" for n in range(2_000))
    found = extracted(log, CONTAINER, COMMIT)
    assert len(found.artifacts) == MOST_ARTIFACTS
    assert len(found.commits) == MOST_COMMITS
    assert found.commits[0] == "0" * 40


def test_a_pattern_that_backtracks_for_ever_does_not() -> None:
    """Python's own engine would not be done today."""
    slow = rule(commit={"pattern": r"(?P<commit>(?:a+)+)$"})
    assert extracted("a" * 16_000 + "b\n", slow).commits == ()


@given(st.text(), st.sampled_from([PUSHED, r"(?P<location>.*)(?P<name>\w)(?P<qualifier>.)"]))
def test_any_text(text: str, pattern: str) -> None:
    """Whatever a log holds, what comes out is fit to send."""
    found = extracted(
        text.encode("utf-8", "replace").decode(), rule(artifact={"pattern": pattern, "type": "t"})
    )
    for artifact in found.artifacts:
        assert artifact.name
        assert "\n" not in artifact.location
