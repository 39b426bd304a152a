"""Globs over full names: ``*`` within a segment, ``**`` across segments, ``?`` one character; and
regular expressions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

import re2

ALL_BELOW = "/**"

NOTHING = "(?!)"
"""The regular expression that matches no name."""


@lru_cache(maxsize=1024)
def compile_glob(glob: str) -> re.Pattern[str]:
    """The glob as a regular expression. ``a/**`` is all below ``a``; ``**/b`` is ``b`` anywhere."""
    out = []
    for part in re.split(r"(\*\*/|\*+|\?)", glob):
        if part == "**/":
            out.append(r"(?:[^/]+/)*")
        elif part.startswith("**"):
            out.append(r".*")
        elif part == "*":
            out.append(r"[^/]*")
        elif part == "?":
            out.append(r"[^/]")
        else:
            out.append(re.escape(part))
    return re.compile("".join(out), re.DOTALL)


def matches(full_name: str, glob: str) -> bool:
    """Whether the whole name matches; case matters."""
    return compile_glob(glob).fullmatch(full_name) is not None


class Globs:
    """What is included and not excluded."""

    def __init__(self, include: Iterable[str], exclude: Collection[str] = ()) -> None:
        self._include = _any(include)
        self._exclude = _any(exclude)
        self._excluded_folders = _any(
            glob[: -len(ALL_BELOW)] for glob in exclude if glob.endswith(ALL_BELOW)
        )

    def selects(self, full_name: str) -> bool:
        """Whether the job is ours to watch."""
        return (
            self._include.fullmatch(full_name) is not None
            and self._exclude.fullmatch(full_name) is None
        )

    def excludes_all_below(self, folder: str) -> bool:
        """Whether a glob like ``a/**`` leaves out all that a folder can hold."""
        parts = folder.split("/")
        above = ("/".join(parts[:count]) for count in range(1, len(parts) + 1))
        return any(self._excluded_folders.fullmatch(one) is not None for one in above)


def _any(globs: Iterable[str]) -> re.Pattern[str]:
    """One pattern for all of them: a controller's jobs are matched at every poll."""
    return re.compile("|".join(compile_glob(glob).pattern for glob in globs) or NOTHING, re.DOTALL)


REGEX_SYNTAX = "https://github.com/google/re2/wiki/Syntax"


SHORT_PART = 6
"""Characters of a pattern that an error repeats."""


def compile_regex(pattern: str, *, lines: bool = False) -> re2._Regexp:
    """The pattern, to be matched against UTF-8 bytes. Raises ValueError that says why not.

    With ``lines``, ``^`` and ``$`` are the ends of a line, and no match reaches over one.
    """
    options = re2.Options()
    options.log_errors = False
    options.never_nl = lines
    try:
        regex = re2.compile(f"(?m){pattern}" if lines else pattern, options)
    except re2.error as error:
        said = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        # It repeats a part of the pattern, or all of it, which may be a secret itself.
        reason = said if len(said.partition(": ")[2]) <= SHORT_PART else said.partition(":")[0]
        raise ValueError(
            f"not a regular expression of RE2 ({reason}); it has no look-around and no back"
            f" references: {REGEX_SYNTAX}"
        ) from None
    if regex.search(b"") is not None:
        raise ValueError("matches the empty text, and so everything")
    return regex


REGEX = "re:"
"""What a pattern begins with that is a regular expression and no glob."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str] | re2._Regexp:
    """A glob, or a regular expression of RE2 after ``re:``. Raises ValueError that says why not."""
    if pattern.startswith(REGEX):
        return compile_regex(pattern.removeprefix(REGEX))
    return compile_glob(pattern)


def match_pattern(text: str, pattern: str) -> Mapping[str, str] | None:
    """The named groups of the match of the whole text; None where it does not match."""
    compiled = compile_pattern(pattern)
    if isinstance(compiled, re.Pattern):
        return None if compiled.fullmatch(text) is None else {}
    found = compiled.fullmatch(text.encode("utf-8", "replace"))
    if found is None:
        return None
    return {
        name: (found.group(name) or b"").decode("utf-8", "replace") for name in compiled.groupindex
    }


def groups_of(pattern: str) -> set[str]:
    """The names of its groups."""
    return set(compile_pattern(pattern).groupindex)
