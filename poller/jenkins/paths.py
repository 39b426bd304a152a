"""Jenkins' URLs: full name to path, and back. Pure functions."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from poller.core.errors import NotFound

MOST_DIGITS = 10
"""Of a build's number, which is one of Java's ints."""


def is_name(full_name: str) -> bool:
    """Whether Jenkins can have a job of that name (jenkins.model.Jenkins.checkGoodName): UTF-8 can
    write it, and no segment is ``.`` or ``..``, which would lead out of Jenkins' part of its host.
    """
    if not full_name.isascii():
        try:
            full_name.encode()
        except UnicodeEncodeError:
            return False
    return "." not in full_name or not {".", ".."} & set(full_name.split("/"))


def job_path(full_name: str) -> str:
    """Where a job is asked for, below Jenkins' address. Raises NotFound for what is no name."""
    if not is_name(full_name):
        raise NotFound("Jenkins", full_name, "no job can have that name")
    return shown_path(full_name)


def shown_path(full_name: str) -> str:
    """``mb/feature%2Fone`` → ``job/mb/job/feature%252Fone/``; the top is the empty string.

    A branch's name is percent-encoded in ``fullName`` already and again in the URL
    (measured on Jenkins 2.448). A module's job, ``shop//api``, is at ``job/shop/api/``.
    """
    name, _, module = full_name.partition(MODULE)
    path = "".join(
        f"job/{quote(segment, safe='', errors='replace')}/"
        for segment in name.split("/")
        if segment
    )
    return path + (f"{quote(module, safe=MODULE_SAFE, errors='replace')}/" if module else "")


MODULE = "//"
"""Between a Maven project or matrix and the name of one of its modules or configurations, whose
jobs are no items: no other job's name has it."""

MODULE_SAFE = ":=,"


def public_name(full_name: str) -> str:
    """As Jenkins has it in ``fullName``."""
    return full_name.replace(MODULE, "/")


def build_of_url(url: str, root: str = "") -> tuple[str, int] | None:
    """The full name and number in a build's ``url``, else None.

    The host and the context path before the first ``job`` are ignored: Jenkins answers with
    its own idea of its address, which may be another than ours.
    """
    try:
        path = urlsplit(url).path
    except ValueError:
        return None
    segments = [segment for segment in path.split("/") if segment]
    prefix = [segment for segment in urlsplit(root).path.split("/") if segment]
    start = len(prefix) if prefix and segments[: len(prefix)] == prefix else None
    if start is None:
        start = segments.index("job") if "job" in segments else len(segments)
    names: list[str] = []
    rest = segments[start:]
    while len(rest) >= 2 and rest[0] == "job":
        names.append(unquote(rest[1]))
        rest = rest[2:]
    if names and len(rest) >= 2 and rest[1].isdecimal() and not rest[0].isdecimal():
        names += ["", unquote(rest[0])]
        rest = rest[1:]
    if not names or not rest or not rest[0].isdecimal() or len(rest[0]) > MOST_DIGITS:
        return None
    return "/".join(names), int(rest[0])
