"""The kinds of value that the config has: spans, sizes, addresses, patterns, globs, tables."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from poller.core.patterns import compile_pattern, compile_regex
from poller.core.template import names
from poller.core.times import SIZE_FORM, SPAN_FORM, parse_size, parse_span, size_text, span_text
from poller.core.urls import without_password

ARTIFACT_GROUPS = ("location", "name", "qualifier", "hash")
"""The named groups of a pattern for artifacts; SEI needs the first three."""

OUR_HEADERS = frozenset(
    (
        "accept", "accept-encoding", "authorization", "connection", "content-length",
        "content-type", "expect", "harness-account", "host", "proxy-authorization", "range", "te",
        "trailer", "transfer-encoding", "upgrade", "user-agent", "x-api-key",
    )
)  # fmt: skip
"""Of every request, in small letters: those that we send, and those that belong to HTTP itself."""


def _text(parse: Callable[[str], int], form: str) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, str):
            raise ValueError(form)
        return parse(value)

    return read


def _regex(pattern: str) -> str:
    compile_regex(pattern)
    return pattern


def _flag(value: Any) -> Any:
    if not isinstance(value, bool) and value != "unset":
        raise ValueError('true, false or "unset"')
    return value


def _template(text: str) -> str:
    names(text)
    return text


def _pattern(pattern: str) -> str:
    compile_pattern(pattern)
    return pattern


def named_groups(pattern: str, known: Collection[str], needed: Collection[str]) -> str:
    """A pattern whose named groups are among ``known``, with all of ``needed``."""
    groups = set(compile_regex(pattern).groupindex)
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


def _header_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError("no name of a header")
    if name.lower() in OUR_HEADERS:
        raise ValueError("the program sets this header itself")
    return name


def _at_least_a_second(span: int) -> int:
    if span < 1_000:
        raise ValueError("at least 1s")
    return span


def _guid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ValueError("a UUID, as SEI's POST cicd/instances gives it") from None


Span = Annotated[
    int,
    BeforeValidator(_text(parse_span, SPAN_FORM)),
    PlainSerializer(span_text, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ ?(ms|s|m|h|d|w)$"}),
]
Interval = Annotated[Span, AfterValidator(_at_least_a_second)]
"""A span of at least a second."""
Size = Annotated[
    int,
    BeforeValidator(_text(parse_size, SIZE_FORM)),
    PlainSerializer(size_text, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ ?(B|KiB|MiB|GiB)$"}),
]
Address = Annotated[str, AfterValidator(_web_address)]
Proxy = Annotated[str, AfterValidator(_proxy), PlainSerializer(without_password, when_used="json")]
Pattern = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_pattern)]
"""A glob, or ``re:`` and a regular expression."""
Regex = Annotated[str, AfterValidator(_regex)]
Guid = Annotated[str, AfterValidator(_guid)]
NAME_LENGTH = 250
Name = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]
HeaderName = Annotated[Name, AfterValidator(_header_name)]
Template = Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(_template)]
"""A text with places in braces."""
Flag = Annotated[bool | Literal["unset"], BeforeValidator(_flag)]
"""A field that is sent as true or false, or is left out."""


class Table(BaseModel):
    """Frozen, and strict about keys and types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


def exactly_one(table: BaseModel, fields: tuple[str, ...]) -> None:
    """Refuse a table that has none of ``fields``, or several."""
    given = sum(getattr(table, field) is not None for field in fields)
    if given != 1:
        keys = ", ".join(type(table).model_fields[field].alias or field for field in fields)
        raise ValueError(f"exactly one of {keys} is needed, here {given or 'none'}")


class SecretSource(Table):
    """Where a secret is: exactly one of the three."""

    env: Name | None = Field(None, description="Environment variable that holds it.")
    file: Name | None = Field(None, description="File that holds it.")
    credential: Name | None = Field(None, description="systemd credential that holds it.")

    @model_validator(mode="before")
    @classmethod
    def _no_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(
                'no value, but where it is: { file = "…" }, { env = "…" } or { credential = "…" }'
            )
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        exactly_one(self, ("env", "file", "credential"))
        return self
