"""What a hostile, broken or lying server makes of an answer. Pure: all chance comes from a seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

Change: TypeAlias = Callable[[Random, bytes], bytes]

RAW = "\ue000raw%d\ue000"
"""Stands in a value for bytes that no JSON writer would write."""

DOUBLED = "\ue000twice\ue000"
"""Before a key that is in its object a second time."""

NUMBERS = (
    0, -1, 1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**19, 10**300,
    253_402_300_799_999, 31_556_952_000_000_000_000, 0.5, -0.0, 1e300,
)  # fmt: skip

RAW_VALUES = (
    b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e999999999", b"1" * 4_299,
    b"9" * 5_000, b"01", b"0x10", b"1_000", b"undefined", b"'text'", b"\"\xff\xfe\"",
    b"\"\xed\xa0\x80\"", b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b'"\\x41"', b'"open',
    b"[" * 500, b"[" * 900 + b"]" * 900, b'{"a":' * 400 + b"1" + b"}" * 400, b"{", b"]", b"",
)  # fmt: skip

TEXTS = (
    "", " ", "\x00", "a\x00b", "\x1b[2J\x1b[31mred", "\x1b]0;title\x07", "\u202etxt.exe", "\ufeff",
    "\u2028line\u2029", "line\nline", "a\r\nSet-Cookie: x=1", "..", "../../etc/passwd", "a/../../b",
    "//", "/", "a//b", "\\", "%2F", "%", "%00", "#", "?x=1", "🦊" * 30, "ﷺ" * 400, "e" + "\u0301" * 900,
    "<script>alert(1)</script>", "{{ 7 * 7 }}", "'; drop table build; --", "${jndi:ldap://x/y}",
    "http://[", "http://[::1", "http://h:99999/", "javascript:alert(1)", "https://a@b@c/", "ssh://[x",
    "١٢٣", "²", "1" * 5_000, "-1", "1e5", "true", "null", "NaN", "None", "skip", "gone",
    "org.jenkinsci.plugins.workflow.job.WorkflowRun", "hudson.model.CauseAction", "no.such$Class",
    "x" * 300, "x" * 20_000, "a/" * 300, "(" * 200, "a" * 3_000 + "!", "*" * 50, "\t" * 99,
)  # fmt: skip
"""Names, texts and addresses that something downstream may trip over."""

KEYS = (
    "_class", "number", "timestamp", "duration", "building", "inProgress", "result", "queueId",
    "url", "actions", "causes", "parameters", "name", "value", "builds", "allBuilds", "jobs",
    "fullName", "nextBuildNumber", "lastBuild", "stages", "stageFlowNodes", "id", "status", "error",
    "message", "artifacts", "artifact", "relativePath", "fileName", "items", "upstreamProject",
    "upstreamBuild", "metadata", "created", "",
)  # fmt: skip

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>" + b"<p>x</p>" * 40
ODDITIES = (
    b"", b"\n", b"null", b"true", b"0", b'""', b"[]", b"{}", b"[[]]", b"[null]", b"[{}]", PAGE,
    b"\xef\xbb\xbf{}", b"\xff\xfe{\x00}\x00", b"\x00" * 64, b"\x1f\x8b\x08\x00garbage", b"\xff" * 99,
    b"<?xml version='1.0'?><a/>", b"503 Service Unavailable", b")]}',\n{}", b"{}{}", b'{"builds":',
)  # fmt: skip


def mutated(chance: Random, body: bytes, *, is_json: bool) -> bytes:
    """One hostile answer made of a good one."""
    throw = chance.random()
    if throw < 0.02:
        return chance.choice(ODDITIES)
    if is_json and throw < 0.78:
        body = _json(chance, body)
    if not is_json or throw > 0.68:
        for _ in range(chance.choice((1, 1, 2, 4))):
            body = chance.choice(BYTES)(chance, body)
    return body


def _cut(chance: Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _flip(chance: Random, body: bytes) -> bytes:
    out = bytearray(body)
    for _ in range(chance.choice((1, 1, 3, 20))):
        if out:
            out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _insert(chance: Random, body: bytes) -> bytes:
    what = chance.choice(
        (b"\x00", b"\xff", b"\r\n", b"\n", b'"', b"\\", b"{", b"}", b"[", b"\xc3", b"\xed\xa0\x80",
         b"\x1b[8mha:////4AAA\x1b[0m", b"\x1b[", b"\xe2\x80\xae", b"-----BEGIN RSA PRIVATE KEY-----",
         b"://a:b@", b"=", b"#", b"'''", b"\x7f" * 9, b"A" * 70_000, b"\x1b[8m" * 30_000, b"\r" * 999)
    )  # fmt: skip
    at = chance.randrange(len(body) + 1)
    return body[:at] + what + body[at:]


def _drop(chance: Random, body: bytes) -> bytes:
    start, end = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    return body[:start] + body[min(end, start + chance.choice((1, 8, 4_000))) :]


def _repeat(chance: Random, body: bytes) -> bytes:
    start, end = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    part = body[start : min(end, start + 500)]
    return body[:start] + part * chance.choice((2, 3, 40)) + body[start:]


def _as_utf16(chance: Random, body: bytes) -> bytes:
    text = body.decode("utf-8", "replace")
    return text.encode(
        chance.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7")), "replace"
    )


def _with_mark(_chance: Random, body: bytes) -> bytes:
    return b"\xef\xbb\xbf" + body


BYTES: tuple[Change, ...] = (
    _cut,
    _flip,
    _flip,
    _insert,
    _insert,
    _drop,
    _repeat,
    _as_utf16,
    _with_mark,
)


def _json(chance: Random, body: bytes) -> bytes:
    try:
        root = json.loads(body)
    except (ValueError, RecursionError):
        return chance.choice(BYTES)(chance, body)
    holder, raw = [root], list[bytes]()
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        places = list(_places(holder))
        if not places:
            break
        container, key = chance.choice(places)
        _change(chance, container, key, raw)
    text = json.dumps(holder[0] if holder else None, ensure_ascii=chance.random() < 0.5)
    return _with_raw(text, raw)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key or place) below a value."""
    stack = [value]
    while stack:
        one = stack.pop()
        for key in list(one) if isinstance(one, dict) else range(len(one)):
            yield one, key
            if isinstance(one[key], dict | list):
                stack.append(one[key])


def _change(chance: Random, container: Any, key: Any, raw: list[bytes]) -> None:
    throw = chance.random()
    if throw < 0.62:
        container[key] = _value(chance, container[key], raw)
    elif throw < 0.72:
        del container[key]
    elif isinstance(container, dict):
        new = chance.choice((*KEYS, *container, DOUBLED + str(key), *TEXTS[:20]))
        container[new] = container[key] if throw < 0.85 else container.pop(key)
    elif throw < 0.95:
        container.extend(container[key] for _ in range(chance.choice((1, 2, 120))))
    else:
        chance.shuffle(container)


def _value(chance: Random, old: Any, raw: list[bytes]) -> Any:
    throw = chance.random()
    if throw < 0.30:
        return chance.choice(NUMBERS)
    if throw < 0.60:
        text = chance.choice(TEXTS)
        return old + text if isinstance(old, str) and chance.random() < 0.3 else text
    if throw < 0.72:
        return chance.choice((None, True, False, [], {}, [old], {"value": old}, [None], [[]], [{}]))
    if throw < 0.76:
        return str(old) if chance.random() < 0.5 else json.dumps(old, default=str)
    raw.append(_raw(chance))
    return RAW % (len(raw) - 1)


def _raw(chance: Random) -> bytes:
    throw = chance.random()
    if throw < 0.90:
        return chance.choice(RAW_VALUES)
    depth = chance.choice((100, 990, 1_050, 10_000, 50_000))
    if throw < 0.96:
        left, right = chance.choice(((b"[", b"]"), (b'{"jobs":[', b"]}"), (b'{"a":', b"}")))
        return left * depth + (b"" if left[-1:] == b"[" else b"1") + right * depth
    return b"[" + chance.choice((b"{},", b"[],", b"0,", b'"",', b'{"number":1},')) * depth + b"0]"


def _with_raw(text: str, raw: list[bytes]) -> bytes:
    text = text.replace(DOUBLED, "").replace(json.dumps(DOUBLED)[1:-1], "")
    body = text.encode("utf-8", "replace")
    for place, value in enumerate(raw):
        for written in (json.dumps(RAW % place), json.dumps(RAW % place, ensure_ascii=False)):
            body = body.replace(written.encode(), value)
    return body
