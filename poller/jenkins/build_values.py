"""Builds out of Jenkins' answers: a value that is missing or of a wrong type costs that value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args, get_origin

import msgspec

from poller.core.build_key import BuildKey
from poller.core.errors import BadAnswer
from poller.http.errors import HttpResponse
from poller.jenkins.answers import decode, decode_if
from poller.jenkins.build import Build, Millis, Number, QueueId

NEEDED = ("timestamp", "duration", "result")
"""Keys that Jenkins exports of every build, whatever they hold."""

LEFT_OUT: Any = object()
MOST_WRONG = 5
"""Wrong values of a build that are named."""


@dataclass(frozen=True)
class BuildFault:
    """What a build's record lacks: ``why`` in one line. ``retry``: it may be there when it is asked
    for again; else it is how Jenkins has it."""

    why: str
    retry: bool


class _Whole(Build, frozen=True, gc=False, kw_only=True):
    """A build with all keys that every build has."""

    timestamp: Millis
    duration: Millis
    result: str | None


class _Page(msgspec.Struct):
    builds: list[_Whole] | None = None
    allBuilds: list[_Whole] | None = None


class Head(msgspec.Struct, gc=False):
    """What makes a build this one and no other."""

    number: Number
    timestamp: Millis
    queueId: QueueId | None = None


class _Heads(msgspec.Struct):
    builds: list[Head] | None = None
    allBuilds: list[Head] | None = None


ReadBuild = tuple[Build, BuildFault | None]


def read_page(answer: HttpResponse, where: str, what: str, key: str) -> list[ReadBuild | None]:
    """The builds under ``key`` of a job's answer; None stands for one without a number.

    Raises BadAnswer for what is no JSON, or has no such list.
    """
    page = decode_if(answer, where, what, _Page)
    if page is not None and (found := getattr(page, key)) is not None:
        return [_checked(build) for build in found]
    return [salvage_build(value) for value in _listed(answer, where, what, key)]


def keys_of(answer: HttpResponse, where: str, what: str, key: str) -> list[BuildKey]:
    """The keys of the builds under ``key`` of a job's answer. Raises BadAnswer as :func:`read_page`
    does."""
    heads = decode_if(answer, where, what, _Heads)
    if heads is not None and (found := getattr(heads, key)) is not None:
        return [key_of(head) for head in found]
    read = (salvage_build(value) for value in _listed(answer, where, what, key))
    return [one[0].key for one in read if one is not None]


def key_of(head: Head) -> BuildKey:
    return BuildKey(head.number, max(0, head.timestamp), max(0, head.queueId or 0))


def _listed(answer: HttpResponse, where: str, what: str, key: str) -> list[Any]:
    values = decode(answer, where, what, Any)
    listed = values.get(key) if isinstance(values, dict) else None
    if not isinstance(listed, list):
        raise BadAnswer(where, what, f"there is no list {key} in it")
    return listed


def read_build(answer: HttpResponse, where: str, what: str) -> ReadBuild:
    """One build. Raises BadAnswer for what is no JSON, or no build."""
    build = decode_if(answer, where, what, _Whole)
    if build is not None:
        return _checked(build)
    read = salvage_build(decode(answer, where, what, Any))
    if read is None:
        raise BadAnswer(where, what, "it is no build: there is no number in it")
    return read


def _checked(build: Build) -> ReadBuild:
    if build.building is None and build.inProgress is None:
        return build, BuildFault("building: not there", retry=True)
    return build, None


def salvage_build(value: Any) -> ReadBuild | None:
    """What can be had of a build, and what not; None where not even its number is right. Pure.

    What does not say whether it is completed does not say that it is.
    """
    if not isinstance(value, dict):
        return None
    wrong: list[str] = []
    build = _salvage(value, Build, "", wrong)
    if build is LEFT_OUT:
        return None
    missing = [key for key in NEEDED if key not in value]
    if any(one.startswith(("building:", "inProgress:")) for one in wrong):
        build = msgspec.structs.replace(build, building=None, inProgress=None)
    elif build.building is None and build.inProgress is None:
        missing.append("building")
    whys = wrong[:MOST_WRONG] + [f"{key}: not there" for key in missing]
    if not whys:
        return build, None
    return build, BuildFault("; ".join(whys), retry=bool(missing))


def _salvage(value: Any, kind: Any, at: str, wrong: list[str]) -> Any:
    """``value`` as ``kind``, without what is not of its type, which is noted in ``wrong``."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        why = f"{at}: {_plain(error)}"
    inner = next((one for one in (kind, *get_args(kind)) if _holds(one, value)), None)
    if inner is None:
        wrong.append(why)
        return LEFT_OUT
    if get_origin(inner) is list:
        (item,) = get_args(inner)
        parts = (_salvage(one, item, at, wrong) for one in value)
        return [part for part in parts if part is not LEFT_OUT]
    given = {}
    for known in msgspec.structs.fields(inner):
        if known.encode_name in value:
            below = f"{at}.{known.encode_name}" if at else known.encode_name
            part = _salvage(value[known.encode_name], known.type, below, wrong)
            if part is not LEFT_OUT:
                given[known.name] = part
    try:
        return inner(**given)
    except TypeError:  # without what it can't be without
        return LEFT_OUT


def _holds(kind: Any, value: Any) -> bool:
    """Whether parts of the value may be right."""
    if get_origin(kind) is list:
        return isinstance(value, list)
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict)


def _plain(error: msgspec.ValidationError) -> str:
    """``expected int, got str``."""
    said = str(error).replace("`", "").partition(" - at ")[0]
    return said[:1].lower() + said[1:]
