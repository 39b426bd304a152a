"""Everything that servers, proxies and networks have been seen to answer instead of the answer, by
name: a share of the requests gets one of them, at random but the same again for the same seed."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any

from poller.demo.faults import Answer, Request, matches

MIB = 1024 * 1024
JSON = {"Content-Type": "application/json;charset=utf-8"}
HTML = {"Content-Type": "text/html;charset=utf-8"}
LOGIN = b"<!DOCTYPE html><html><body><form action='/login'>Please sign in</form></body></html>"
NOT_SEEN_ALONE = frozenset({"actions", "changeSet", "changeSets"})
"""What plugins fill with anything: another type there is no fault."""


@dataclass
class RandomFaults:
    """One of a server's ``faults``: ``rate`` of the requests that match get one of ``kinds``.

    ``slow`` is how long silence lasts, in seconds, and a trickle's wait between two bytes;
    ``wait`` what a Retry-After asks for; ``elsewhere`` where redirects lead to. ``seen`` counts the
    faults by kind.
    """

    rate: float
    seed: int = 0
    path_glob: str = "*"
    kinds: Sequence[str] = ()
    slow: float = 30.0
    trickle: float = 1.0
    wait: int = 1
    elsewhere: str = "http://elsewhere.invalid/login"
    seen: Counter[str] = field(default_factory=Counter)
    chance: Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.kinds = list(self.kinds or FAULTS)

    def __call__(self, request: Request) -> Answer | None:
        """What the request gets, or None to leave it alone."""
        if not matches(self.path_glob, request) or self.chance.random() >= self.rate:
            return None
        kind = self.chance.choice(self.kinds)
        self.seen[kind] += 1
        return dataclasses.replace(FAULTS[kind](self), fault=kind)


def spoilt(change: Callable[[Answer], Answer], **keys: Any) -> Answer:
    """The server did its work, and its answer is changed on the way."""
    return Answer(None, change=change, **keys)


def _limited(retry_after: str) -> Answer:
    headers = {**HTML, "Date": formatdate(time.time(), usegmt=True)}
    return Answer(
        429, b"slow down", headers | ({"Retry-After": retry_after} if retry_after else {})
    )


def _nonsense(given: RandomFaults) -> Answer:
    nonsense = (
        "soon", "-1", "nan", "inf", "1e999", "9" * 400, "0x10", "\xb2",
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT", "Wed, 99 Foo 2026 99:99:99 +9999999999",
        "Thu, 01 Jan 1970 00:00:00 GMT", "; =,",
    )  # fmt: skip
    return _limited(given.chance.choice(nonsense))


def _redirect(given: RandomFaults) -> Answer:
    status = given.chance.choice((301, 302, 303, 307, 308))
    return Answer(status, b"", {"Location": given.elsewhere})


def plain(answer: Answer) -> Answer:
    """The answer without its gzip."""
    if "Content-Encoding" not in answer.headers:
        return answer
    headers = {k: v for k, v in answer.headers.items() if k != "Content-Encoding"}
    return dataclasses.replace(answer, body=gzip.decompress(answer.body), headers=headers)


def _called_gzip(usual: Answer) -> Answer:
    headers = {**JSON, "Content-Encoding": "gzip"}
    return dataclasses.replace(plain(usual), headers=headers)


def _cut(given: RandomFaults) -> Answer:
    """A part of it, with that part's length: only the end is missing."""

    def cut(usual: Answer) -> Answer:
        whole = plain(usual)
        length = int(given.chance.random() * len(whole.body))
        return dataclasses.replace(whole, body=whole.body[:length])

    return spoilt(cut)


def _of_wrong_types(given: RandomFaults) -> Answer:
    def change(usual: Answer) -> Answer:
        whole = plain(usual)
        try:
            value = json.loads(whole.body)
        except ValueError:
            return whole
        body = json.dumps(with_wrong_type(value, given.chance)).encode()
        return dataclasses.replace(whole, body=body)

    return spoilt(change)


def with_wrong_type(value: Any, chance: Random) -> Any:
    """The value, with another type in one place of it."""
    holders: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        one = stack.pop()
        places: Any = enumerate(one) if isinstance(one, list) else ()
        for place, inside in one.items() if isinstance(one, dict) else places:
            if place not in NOT_SEEN_ALONE:
                holders.append((one, place))
                stack.append(inside)
    if not holders or chance.random() < 0.2:
        return _other(value, chance)
    holder, place = chance.choice(holders)
    holder[place] = _other(holder[place], chance)
    return value


def _other(value: Any, chance: Random) -> Any:
    others: list[Any] = [None, True, 7.5, "seven", [], {}, [[]], {"jobs": 5}, {"builds": "none"}]
    return chance.choice([one for one in others if type(one) is not type(value)])


def _of_wrong_bytes(given: RandomFaults) -> Answer:
    def change(usual: Answer) -> Answer:
        whole = plain(usual)
        if given.chance.random() < 0.5:
            body = whole.body.decode("utf-8", "replace").encode("utf-16")
        else:
            body = whole.body.replace(b'":"', b'":"\xff\xe9', 1)
            body = body if body != whole.body else b'{"name":"\xff\xe9"}'
        return dataclasses.replace(whole, body=body)

    return spoilt(change)


def _endless() -> Iterator[bytes]:
    yield b'{"jobs":['
    for _ in range(1024):
        yield b"0," * (MIB // 2)


@functools.cache
def bomb(layers: int = 1, mebibytes: int = 128) -> bytes:
    """Little that stands for so much, under so many gzips; only its end is missing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    begin = packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = begin + (packer.compress(b" " * MIB) + packer.flush(zlib.Z_FULL_FLUSH)) * mebibytes
    for _ in range(layers - 1):
        packed = gzip.compress(packed)
    return packed


def _bomb(given: RandomFaults) -> Answer:
    layers = given.chance.choice((1, 2))
    return Answer(200, bomb(layers), {**JSON, "Content-Encoding": ", ".join(["gzip"] * layers)})


def _raw(head: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{head}\r\n\r\n".encode() + body


def _with_length(length: Callable[[int], str], stall: float = 0.0) -> Answer:
    def change(usual: Answer) -> Answer:
        body = plain(usual).body or b"{}"
        return Answer(None, raw=_raw(f"Content-Length: {length(len(body))}", body), stall=stall)

    return spoilt(change)


FAULTS: Mapping[str, Callable[[RandomFaults], Answer]] = {
    "5xx": lambda w: Answer(w.chance.choice((500, 502, 503, 504, 599)), b"<h1>Oops</h1>", HTML),
    "429": lambda _: _limited(""),
    "429 in seconds": lambda w: _limited(str(w.wait)),
    "429 until a date": lambda w: _limited(formatdate(time.time() + w.wait, usegmt=True)),
    "429 until nonsense": _nonsense,
    "reset": lambda _: Answer(None, break_off=True),
    "reset in the headers": lambda _: Answer(None, raw=b"HTTP/1.1 200 OK\r\nContent-Le"),
    "reset in the body": lambda _: spoilt(lambda usual: dataclasses.replace(usual, break_off=True)),
    "silence": lambda w: Answer(None, raw=b"", stall=w.slow),
    "stalled headers": lambda w: Answer(None, raw=b"HTTP/1.1 200 OK\r\nContent-", stall=w.slow),
    "stalled body": lambda w: spoilt(lambda usual: usual, stall=w.slow),
    "trickled headers": lambda w: Answer(None, raw=_raw("X: y"), trickle=w.trickle),
    "trickled body": lambda w: spoilt(plain, trickle=w.trickle),
    "login page": lambda _: Answer(200, LOGIN, HTML),
    "login page as JSON": lambda _: Answer(200, LOGIN, JSON),
    "redirect": _redirect,
    "cut off": _cut,
    "wrong types": _of_wrong_types,
    "too deep": lambda _: spoilt(lambda _u: Answer(200, b'{"jobs":[' * 100_000, JSON)),
    "gigantic": lambda _: spoilt(lambda _u: Answer(200, b"", JSON, parts=_endless())),
    "wrongly encoded": _of_wrong_bytes,
    "gzip bomb": _bomb,
    "no gzip": lambda _: spoilt(_called_gzip),
    "length too small": lambda _: _with_length(lambda length: str(length // 2)),
    "length too large": lambda _: _with_length(lambda length: str(length + 1000)),
    "length gigantic": lambda _: _with_length(lambda _length: str(10**18)),
    "length nonsense": lambda _: _with_length(lambda _length: "many"),
    "no HTTP": lambda _: Answer(None, raw=b"SSH-2.0-OpenSSH_9.9\r\n"),
    "lost answer": lambda _: spoilt(lambda _u: Answer(None, break_off=True)),
    "lost answer, 502": lambda _: spoilt(lambda _u: Answer(502, b"<h1>Bad Gateway</h1>", HTML)),
    "lost answer, silence": lambda w: spoilt(lambda _u: Answer(None, raw=b"", stall=w.slow)),
}  # fmt: skip
"""What a fault of each name does. What is made of the usual answer comes when the server has done
its work: SEI has taken the run. The others come from something in front of it."""
