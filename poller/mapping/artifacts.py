"""The artifacts of a run, of all their sources, and what they say of ``ci`` and ``cd``. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from msgspec import UNSET, UnsetType

from poller.config.types import Flag
from poller.core.escape import NAME, TEXT, clip
from poller.core.patterns import matches
from poller.jenkins.build import Build
from poller.mapping.evidence import EnrichedBuild
from poller.mapping.manifest import FILE_NAMES
from poller.mapping.payload import Artifact
from poller.mapping.redaction import Redactor
from poller.mapping.rules import MatchedRule
from poller.mapping.scm import without_credentials

MOST = 500
MOST_METADATA = 100
ARCHIVED = "file"
"""The type of Jenkins' own archived files."""


def artifacts(
    enriched: EnrichedBuild, rule: MatchedRule, web_url: str
) -> tuple[list[Artifact], str]:
    """Those of the manifests, then the extracted ones, then archived files that the rule asks for;
    each once. And how many came from where."""
    sources: list[tuple[str, Sequence[Artifact]]] = [
        (manifest.path, manifest.artifacts) for manifest in enriched.manifests
    ]
    sources.append((enriched.extracted.source, enriched.extracted.artifacts))
    archived = list(archived_files(enriched.build, rule.settings.archived_files, web_url))
    sources.append((f"archived_files of {rule.source('archived_files')}", archived))
    found: dict[tuple[Any, ...], Artifact] = {}
    counts = []
    for source, ones in sources:
        before = len(found)
        for one in ones:
            safe = _safe(one, enriched.redactor)
            key = (safe.type, safe.location, safe.name, safe.qualifier, safe.input, safe.output)
            if len(found) < MOST:
                found.setdefault(key, safe)
        if len(found) > before:
            counts.append(f"{len(found) - before} of {source}")
    return list(found.values()), ", ".join(counts) or "nothing names one"


def archived_files(build: Build, globs: Sequence[str], web_url: str) -> Iterator[Artifact]:
    """The build's archived files that a glob matches; manifests aside."""
    for file in build.artifacts if globs else ():
        path = file.relativePath
        if file.fileName in FILE_NAMES or not any(matches(path, glob) for glob in globs):
            continue
        yield Artifact(
            input=False,
            output=True,
            type=ARCHIVED,
            location=f"{web_url}artifact/{quote(path)}",
            name=path,
            qualifier=str(build.number),
        )


def ci_and_cd(
    rule: MatchedRule, found: Sequence[Artifact], default: tuple[Flag, Flag] = (True, False)
) -> tuple[bool | UnsetType, bool | UnsetType, str]:
    """``ci``, ``cd``, and why: the rule's, one of which is the opposite of the other where only one
    is given; else what the artifacts say; else the default."""
    outputs, inputs = any(one.output for one in found), any(one.input for one in found)
    ci, cd = (outputs, inputs) if outputs or inputs else default
    source = "artifacts: an output is CI, an input CD"
    if not (outputs or inputs):
        source = "default: no rule, no artifact says"
    given = rule.settings.ci, rule.settings.cd
    if given != (None, None):
        ci, cd = _or_opposite(*given, ci), _or_opposite(given[1], given[0], cd)
        source = rule.source("ci" if given[0] is not None else "cd")
    return (UNSET if ci == "unset" else ci, UNSET if cd == "unset" else cd, source)


def _or_opposite(own: Flag | None, other: Flag | None, default: Flag) -> Flag:
    if own is not None:
        return own
    return not other if isinstance(other, bool) else default


def _safe(artifact: Artifact, redactor: Redactor) -> Artifact:
    """The same, without secrets and as long as agreed."""

    def text(value: str) -> str:
        return clip(redactor.text(value), TEXT)

    return Artifact(
        input=artifact.input,
        output=artifact.output,
        type=clip(artifact.type, NAME),
        location=text(without_credentials(artifact.location)),
        name=text(artifact.name),
        qualifier=text(artifact.qualifier),
        hash=UNSET if artifact.hash is UNSET else text(artifact.hash),
        metadata=_metadata(artifact.metadata, redactor),
    )


def _metadata(value: Any, redactor: Redactor) -> dict[str, str] | UnsetType:
    if not isinstance(value, Mapping):
        return UNSET
    texts = {
        clip(name, NAME): clip(redactor.text(text), TEXT)
        for name, text in value.items()
        if isinstance(name, str) and isinstance(text, str) and not redactor.is_secret_name(name)
    }
    return dict(list(texts.items())[:MOST_METADATA]) or UNSET
