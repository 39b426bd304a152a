"""``[[extract]]``: artifacts and commits read out of a console log, line by line. Pure.

The lines are clean and redacted, and cut at ``poller.jenkins.console_text.LINE_LIMIT``. What comes
first stands first, nothing twice, and no more than a bounded number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET

from poller.config.rules import Extract
from poller.config.types import ARTIFACT_GROUPS
from poller.core.escape import NAME, TEXT, clip
from poller.core.patterns import compile_regex, matches
from poller.mapping.payload import Artifact

MOST_ARTIFACTS = 500
MOST_COMMITS = 100
LONGEST_COMMIT = 100


@dataclass(frozen=True)
class Extracted:
    """What the rules found in one log, and which did: their places in the config, from 1."""

    artifacts: tuple[Artifact, ...] = ()
    commits: tuple[str, ...] = ()
    by: tuple[int, ...] = ()

    @property
    def source(self) -> str:
        """``[[extract]] 1, 3``; without the places where they are not known."""
        return " ".join(["[[extract]]", ", ".join(map(str, self.by))]).rstrip()


NOTHING_EXTRACTED = Extracted()


@dataclass(frozen=True)
class Pattern:
    """One rule, ready to be matched. ``kind`` is None where it reads commits; ``place`` is its
    place in the config, from 1."""

    regex: Any
    place: int
    kind: ExtractionRule | None


@dataclass(frozen=True)
class ExtractionRule:
    """What a rule says of the artifacts that it finds."""

    type: str
    input: bool
    output: bool


class Extraction:
    """All ``[[extract]]`` rules of a config."""

    def __init__(self, rules: Sequence[Extract] = ()) -> None:
        self._rules = [(rule.match, _pattern(rule, place)) for place, rule in enumerate(rules, 1)]

    def of_job(self, full_name: str) -> list[Pattern]:
        """The rules that match a job, in their order; none: its log need not be read for them."""
        return [pattern for glob, pattern in self._rules if matches(full_name, glob)]


class Extractor:
    """Reads one log."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self._patterns = list(patterns)
        self._artifacts: dict[tuple[Any, ...], Artifact] = {}
        self._commits: dict[str, None] = {}
        self._by: set[int] = set()

    def feed(self, lines: bytes) -> None:
        """Read whole lines of UTF-8."""
        found = [
            (match.start(), pattern, _groups(match))
            for pattern in self._patterns
            for match in pattern.regex.finditer(lines)
        ]
        for _, pattern, groups in sorted(found, key=lambda one: one[0]):
            before = len(self._artifacts), len(self._commits)
            if pattern.kind is None:
                self._commit(groups)
            else:
                self._artifact(pattern.kind, groups)
            if before != (len(self._artifacts), len(self._commits)):
                self._by.add(pattern.place)

    def found(self) -> Extracted:
        """All that was found."""
        return Extracted(
            tuple(self._artifacts.values()), tuple(self._commits), tuple(sorted(self._by))
        )

    def _commit(self, groups: Mapping[str, str]) -> None:
        commit = groups["commit"]
        if 0 < len(commit) <= LONGEST_COMMIT and len(self._commits) < MOST_COMMITS:
            self._commits.setdefault(commit)

    def _artifact(self, kind: ExtractionRule, groups: Mapping[str, str]) -> None:
        key = (kind, *(groups.get(name) for name in ARTIFACT_GROUPS))
        if key in self._artifacts or len(self._artifacts) >= MOST_ARTIFACTS:
            return
        location, name, qualifier = (groups[g] for g in ("location", "name", "qualifier"))
        if not (location and name and qualifier):
            return  # SEI needs all three
        self._artifacts[key] = Artifact(
            input=kind.input,
            output=kind.output,
            type=clip(kind.type, NAME),
            location=clip(location, TEXT),
            name=clip(name, NAME),
            qualifier=clip(qualifier, NAME),
            hash=clip(groups["hash"], NAME) if groups.get("hash") else UNSET,
        )


def _pattern(rule: Extract, place: int) -> Pattern:
    if rule.artifact is None:
        assert rule.commit is not None  # noqa: S101 - the config has exactly one of them
        return Pattern(compile_regex(rule.commit.pattern, lines=True), place, None)
    artifact = rule.artifact
    kind = ExtractionRule(artifact.type, artifact.input, artifact.output)
    return Pattern(compile_regex(artifact.pattern, lines=True), place, kind)


def _groups(match: Any) -> dict[str, str]:
    """The named groups as text; empty where one took no part."""
    return {
        name: (match.group(name) or b"").decode("utf-8", "replace").strip()
        for name in match.re.groupindex
    }
