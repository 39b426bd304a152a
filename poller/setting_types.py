"""The kinds of value that the config has: spans, sizes, addresses, patterns, globs, tables."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
)

from poller.addresses import goes_in_clear
from poller.regex import compiled
from poller.when import SIZE_FORM, SPAN_FORM, parse_size, parse_span

ARTIFACT_GROUPS = ("location", "name", "qualifier", "hash")
"""The named groups of a pattern for artifacts; SEI needs the first three."""


def _text(parse: Callable[[str], int], form: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, str):
            raise ValueError(form)
        return parse(value)

    return read


def _regex(pattern: str) -> str:
    compiled(pattern)
    return pattern


def named_groups(pattern: str, known: Collection[str], needed: Collection[str]) -> str:
    """A pattern whose named groups are among ``known``, with all of ``needed``."""
    groups = set(compiled(pattern).groupindex)
    if unknown := sorted(groups - set(known)):
        raise ValueError(f"no such group: {', '.join(unknown)}; known are {', '.join(known)}")
    if missing := sorted(set(needed) - groups):
        raise ValueError(
            f"the named group is missing: {', '.join(missing)}, as (?P<{missing[0]}>…)"
        )
    return pattern


def _web_address(url: str) -> str:
    parts = _plain_url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a web address: https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no credentials in an address: they have keys of their own")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ValueError("no query in the address")
    return url if url.endswith("/") else url + "/"


def _proxy(url: str) -> str:
    parts = _plain_url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a proxy is http://host:port")
    return url


def _plain_url(url: str) -> SplitResult:
    """The parts of a URL that everybody takes apart in the same way."""
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError("no spaces, backslashes or control characters in an address")
    parts = urlsplit(url)
    if parts.port == 0:  # an impossible one raises ValueError
        raise ValueError("there is no port 0")
    return parts


def in_clear_only_if_allowed(allowed: bool, others: ValidationInfo) -> bool:
    """A validator: refuse to send a secret where it can be read on the way, unless ``allowed``.

    To this machine it may go, but not through a proxy, which may be anywhere.
    """
    url = others.data.get("url") or others.data.get("base_url") or "https:"
    if allowed or urlsplit(url).scheme != "http":
        return allowed
    if goes_in_clear(url):
        raise ValueError(
            "over http:// everybody on the way can read the token or key: use https://, or"
            " allow_http = true"
        )
    if others.data.get("proxy") is not None:
        raise ValueError(
            "the proxy can read the token or key for an http:// address: leave it out, or"
            " allow_http = true"
        )
    return allowed


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("a UUID, as SEI's POST cicd/instances gives it") from None


Span = Annotated[
    int,
    BeforeValidator(_text(parse_span, SPAN_FORM)),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ ?(ms|s|m|h|d|w)$"}),
]
Size = Annotated[
    int,
    BeforeValidator(_text(parse_size, SIZE_FORM)),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ ?(B|KiB|MiB|GiB)$"}),
]
Address = Annotated[str, AfterValidator(_web_address)]
Proxy = Annotated[str, AfterValidator(_proxy)]
Regex = Annotated[str, AfterValidator(_regex)]
Guid = Annotated[str, AfterValidator(_guid)]
NAME_LENGTH = 250
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]


class Table(BaseModel):
    """Frozen, and strict about keys and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def exactly_one(table: BaseModel, keys: tuple[str, ...]) -> None:
    """Refuse a table that has none of ``keys``, or several."""
    given = [key for key in keys if getattr(table, key) is not None]
    if len(given) != 1:
        raise ValueError(f"exactly one of {', '.join(keys)} is needed, here {len(given) or 'none'}")


def at_least_a_second(span: int) -> int:
    """Refuse a shorter one."""
    if span < 1_000:
        raise ValueError("at least 1s")
    return span
