"""What SEI calls a controller, a job and a build. Pure."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from poller.core.escape import TEXT, clip
from poller.jenkins.build import Build
from poller.jenkins.paths import shown_path
from poller.mapping.rules import JobRules
from poller.mapping.scm import without_credentials

MAVEN_MODULE_BUILD = "hudson.maven.MavenBuild"


@dataclass(frozen=True)
class SeiInstance:
    """What SEI calls the controller. ``public_url``: every address begins with ``instance_url``,
    whatever Jenkins itself believes to be called. ``plugin_names``: jobs are called as SEI's
    Jenkins plugin calls them. ``test_counts``: test results are sent, too."""

    instance_name: str
    instance_guid: str
    instance_url: str
    public_url: bool = False
    plugin_names: bool = False
    test_counts: bool = False


@dataclass(frozen=True)
class JobInfo:
    """The job that a build belongs to. ``number_offset`` is added to a build's number;
    ``multibranch`` says that the job is a branch, so that its last segment is no name of a
    pipeline; ``rules`` are those that match it. ``id_generation`` is the ledger's own count in the
    ``execution_id`` of what an earlier version sent, else 0."""

    full_name: str
    id_generation: int
    number_offset: int
    multibranch: bool
    rules: JobRules = ()

    @property
    def own_branch(self) -> str | None:
        """The branch that a multibranch job is of (of a pull request, ``PR-17``)."""
        return unquote(self.full_name.rpartition("/")[2]) if self.multibranch else None


def pipeline(job: JobInfo, build: Build) -> tuple[str, str]:
    """The job's name, of a branch or a Maven module the project's; and which of them it is."""
    segments = job.full_name.split("/")
    if job.multibranch and len(segments) > 1:
        return segments[-2], "the multibranch project's name"
    if build.cls == MAVEN_MODULE_BUILD and len(segments) > 1:
        return segments[-2], "the Maven project's name"
    return segments[-1], "the job's name"


def job_full_name(instance: SeiInstance, job: JobInfo) -> str:
    """``fullName``; or as the plugin has it, the path of the job's folder below ``jobs/``."""
    if not instance.plugin_names:
        return job.full_name
    *parents, name = job.full_name.split("/")
    if job.own_branch is not None:
        return "/jobs/".join(parents) + f"/branches/{branch_folder(job.own_branch)}"
    return "/jobs/".join([*parents, name])


def qualified_name(instance: SeiInstance, job: JobInfo) -> str:
    """``fullName``, with the branch segment of a multibranch job decoded; of the plugin's name, all
    but the words that it has between."""
    if job.own_branch is None:
        return job.full_name
    last = branch_folder(job.own_branch) if instance.plugin_names else job.own_branch
    return f"{job.full_name.rpartition('/')[0]}/{last}"


def branch_folder(branch: str) -> str:
    """The folder of a branch on Jenkins' disk, as jenkins.branch.NameMangler names it: a short one
    of plain characters as it is, another with a part of its digest."""
    if _PLAIN_BRANCH.fullmatch(branch) and branch.lower() not in _RESERVED:
        return branch
    kept = ""
    for unit in _utf16(branch):
        char = chr(unit)
        if char.isascii() and (char.isalnum() or char == "-"):
            kept += char
        else:
            low, high = unit & 0xFF, unit >> 8
            hexed = (f"_{high:02x}" if high else "") + f"_{low:02x}"
            kept += ("" if kept else "0") + ("-" if char in "/\\ ._" else hexed)
    digest = _digest(branch)
    if len(kept) < _LONGEST - _SHORT_HASH:
        return f"{kept}.{digest[-_SHORT_HASH:]}"
    over = len(kept) - _LONGEST
    hashed = f".{digest[-min(max(over, _SHORT_HASH), _LONG_HASH) :]}."
    start = (_LONGEST - len(hashed)) // 2
    return kept[:start] + hashed + kept[start + len(hashed) + over :]


_LONGEST, _SHORT_HASH, _LONG_HASH = 32, 6, 12
_PLAIN_BRANCH = re.compile(rf"[A-Za-z0-9][A-Za-z0-9-]{{0,{_LONGEST - 1}}}")
_RESERVED = {
    "con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)),
}  # fmt: skip


def _utf16(text: str) -> Iterator[int]:
    raw = text.encode("utf-16-le", "surrogatepass")
    return (int.from_bytes(raw[at : at + 2], "little") for at in range(0, len(raw), 2))


def _digest(text: str) -> str:
    """SHA-1, five bits a digit, the lowest first; what is left over at the end is not written."""
    bits = int.from_bytes(hashlib.sha1(text.encode("utf-8", "replace")).digest(), "little")  # noqa: S324
    return "".join(_DIGITS[bits >> at & 31] for at in range(0, 150, 5))


_DIGITS = "0123456789abcdefghijklmnopqrstuv"


def module_name(job: JobInfo, build: Build) -> tuple[str | None, str]:
    """The Maven module whose build it is."""
    if build.cls == MAVEN_MODULE_BUILD:
        return job.full_name.rpartition("/")[2], "the Maven module"
    return None, "no rule, no Maven module"


def execution_id(instance: SeiInstance, job: JobInfo, build: Build) -> str:
    """The same for ever, and of no other build: a run that is sent twice can be recognised."""
    name = f"{job.full_name}\n{job.id_generation}\n{build.number}\n{build.timestamp}"
    return str(uuid.uuid5(uuid.UUID(instance.instance_guid), name))


def web_url(instance: SeiInstance, job: JobInfo, build: Build) -> str:
    """The build's page, as Jenkins gives it; built from the names where that is no web address, or
    where the config says what Jenkins is called."""
    url = build.url or ""
    try:
        usable = urlsplit(url).scheme in ("http", "https") and not instance.public_url
    except ValueError:
        usable = False
    if not usable:
        url = f"{instance.instance_url.rstrip('/')}/{shown_path(job.full_name)}{build.number}/"
    return clip(without_credentials(url), TEXT)
