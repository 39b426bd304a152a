"""What Jenkins answered, as what was asked for, or the error that says what stood there instead."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import msgspec

from poller.core.errors import BadAnswer, RemoteError, Unreachable
from poller.core.known_secrets import mask
from poller.http.errors import HttpResponse
from poller.http.front_door import login_page
from poller.jenkins.build import LAST_MS, LONG

T = TypeVar("T")

MOST_OBJECTS = 1_000_000
"""Objects and lists in one answer. One of two bytes takes some hundred in memory; a job in the item
tree, or a build with its actions, are a handful of them."""

PAGE_HINT = "is it a login page, or a proxy's?"


def refuse_other_text(answer: HttpResponse, where: str, what: str) -> None:
    """Raise BadAnswer for an answer that is no plain text, or is compressed."""
    kind = _content_type(answer)
    if kind != "text/plain":
        raise BadAnswer(
            where, what, f"{kind or 'no content type'} where plain text is due",
            PAGE_HINT,
        )  # fmt: skip
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise BadAnswer(where, what, "compressed, which was not asked for")


def worth_splitting(error: RemoteError) -> bool:
    """Whether it is about what was asked for, so that a smaller question may be answered: an answer
    that is too large, no JSON, an HTTP 500; not a redirect, nor where the controller is away."""
    if isinstance(error, BadAnswer):
        return error.status is None or error.status < 300
    return isinstance(error, Unreachable) and not error.away


def decode(answer: HttpResponse, where: str, what: str, kind: Callable[..., T] | type[T]) -> T:
    """The JSON body as ``kind``. Raises BadAnswer that says what stood there instead."""
    try:
        return _decode(answer, where, what, kind)
    except msgspec.ValidationError as error:
        raise BadAnswer(where, what, str(error)) from None


def decode_if(answer: HttpResponse, where: str, what: str, kind: type[T]) -> T | None:
    """The same; None where it is JSON, but not all of it of the types of ``kind``."""
    try:
        return _decode(answer, where, what, kind)
    except msgspec.ValidationError:
        return None


def _decode(answer: HttpResponse, where: str, what: str, kind: Callable[..., T] | type[T]) -> T:
    if "json" not in answer.headers.get("Content-Type", ""):
        if page := login_page(answer.headers, answer.body):
            raise BadAnswer(where, what, f"{page.saw} where JSON is due", page.hint)
        kind_told = _content_type(answer) or "no content type"
        raise BadAnswer(where, what, f"{kind_told} where JSON is due", PAGE_HINT)
    body = answer.body
    if len(body) > MOST_OBJECTS and body.count(b"{") + body.count(b"[") > MOST_OBJECTS:
        raise BadAnswer(where, what, f"more than {MOST_OBJECTS:,} objects in it")
    try:
        decoded: T = msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise BadAnswer(where, what, "the JSON is nested too deeply") from None
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(where, what, str(error)) from None
    return decoded


def _content_type(answer: HttpResponse) -> str:
    return mask(answer.headers.get("Content-Type", "")).partition(";")[0][:80]


class Executable(NamedTuple):
    """What an executor works on: its ``url``, when it started (epoch milliseconds), and its place
    in Jenkins' queue.

    Only a build itself has a ``queueId``; a pipeline's node step, at the same address, has none and
    a start of its own (measured). What there is not, or is no number of Jenkins', is 0.
    """

    url: str
    timestamp: int
    queue_id: int


def executables(answer: dict[str, Any]) -> list[Executable]:
    """What runs by ``computer``'s answer."""
    found: list[Executable] = []
    # A plugin's computer may export anything: what is not as expected runs nothing that we know.
    with contextlib.suppress(AttributeError, TypeError):
        for computer in answer.get("computer") or []:
            for executors in ("executors", "oneOffExecutors"):
                for executor in computer.get(executors) or []:
                    one = executor.get("currentExecutable") or {}
                    if isinstance(url := one.get("url"), str):
                        timestamp = within(one.get("timestamp"), LAST_MS)
                        found.append(Executable(url, timestamp, within(one.get("queueId"), LONG)))
    return found


def within(value: Any, most: int) -> int:
    """A number of 1 to ``most``, 0 for anything else."""
    return value if type(value) is int and 0 < value <= most else 0
