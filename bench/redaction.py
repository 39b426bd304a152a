"""What it costs to find secrets in console logs: three ways, in one run.

    python -m bench.redaction [MEGABYTES]

One alternation of Python's ``re``; a search for literals first, then ``re`` on their lines; RE2,
which is what the program does. Where hyperscan is installed it is measured, too, as a filter of
lines for ``re``. All ways hide the same.
"""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from bench.corpus import logs
from poller.jenkins.console_text import ConsoleCleaner
from poller.mapping.redaction import RedactingStream, Redactor
from poller.mapping.secret_patterns import IN_CONTEXT, TOKENS

BLOCK = 64 * 1024
EVERY = 200_000
"""Characters between two secrets."""

SECRETS = (
    "password=hunter2 user=x",
    "Authorization: Bearer abcdefghijk.lmnop",
    "git clone https://user:p4ssw0rd@example.invalid/repo.git",
    "token: gh" + "p_0123456789abcdefghijklmnopqrstuvwxyzAB",
    "+ deploy --api-key 0123456789abcdef",
)
LITERALS = (
    "a3t", "akia", "asia", "abia", "acca", "absk", "gho_", "ghp_", "ghs_", "ghu_", "ghr_",
    "github_pat_", "glpat-", "glcbt-", "gldt-", "glft-", "glimt-", "glagent-", "gloas-", "glptt-",
    "glrt-", "glsoat-", "glffct-", "gr1348941", "xox", "xapp-", "aiza", "ya29.", "gocspx-", "npm_",
    "pypi-agei", "rubygems_", "dckr_", "hvb.", "hvs.", ".atlasv1.", "akcp", "cmvmd", "atatt3",
    "sqa_", "sqp_", "squ_", "doo_v1_", "dop_v1_", "dor_v1_", "dapi", "glc_", "glsa_", "sk_", "rk_",
    "sg.", "sk-", "hf_", "age-secret-key", "eyj", "{aqaa", "://", "authorization", "bearer",
    "cookie", "passw", "passphrase", "psw", "pwd", "secret", "token", "key", "_auth", '"auth"',
    "sig=", "sonar.login", "hooks.slack.com",
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    """One way, how long it took in ms a megabyte, and how many secrets it found."""

    name: str
    cost: float
    found: int


def corpus(megabytes: int) -> str:
    """Logs with a secret here and there."""
    r, out, size = random.Random(3), [], 0
    for log in logs(20 * megabytes):
        lines = log.split("\n")
        for _ in range(len(log) // EVERY + 1):
            lines.insert(r.randrange(len(lines)), r.choice(SECRETS))
        out.append("\n".join(lines))
        size += len(out[-1])
        if size >= megabytes * 1_000_000:
            break
    return "".join(out)


def ways(text: str) -> Iterator[Way]:
    """Each way over the same text; the best of three, of the slow ones of one."""
    blocks = list(_blocks(text))
    raw_blocks = [block.encode() for block in blocks]
    size = sum(map(len, raw_blocks)) / 1_000_000

    def timed(name: str, find: Callable[[], int], times: int = 3) -> Way:
        best, found = float("inf"), 0
        for _ in range(times):
            start = time.perf_counter()
            found = find()
            best = min(best, time.perf_counter() - start)
        return Way(name, best / size * 1000, found)

    one = re.compile(f"({'|'.join(TOKENS)})|" + "|".join(IN_CONTEXT).replace(r"\pL", "a-zA-Z"))
    yield timed("re, one alternation", lambda: sum(len(one.findall(b)) for b in blocks), 1)
    yield timed("literals, then re on their lines", lambda: _literals_first(one, blocks), 1)
    redactor = Redactor()
    yield timed(
        "RE2, one alternation",
        lambda: sum(redactor.lines(b).count(b"****") for b in raw_blocks),
    )
    with suppress(ImportError):
        yield timed("hyperscan, then re on its lines", _hyperscan(one, raw_blocks))
    yield timed("RE2, with cleaning and all", lambda: _as_the_program(redactor, raw_blocks))
    yield Way("… of that, cleaning alone", timed("", lambda: _cleaning(raw_blocks)).cost, 0)
    dense = [b"token=abc123 step password: hunter2\n" * 1_800] * 8
    start = time.perf_counter()
    found = sum(redactor.lines(b).count(b"****") for b in dense)
    cost = (time.perf_counter() - start) / sum(map(len, dense)) * 1e9
    yield Way("RE2, two secrets in every line", cost, found)


def _blocks(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        end = text.find("\n", at + BLOCK) + 1 or len(text)
        yield text[at:end]
        at = end


def _literals_first(one: re.Pattern[str], blocks: list[str]) -> int:
    found = 0
    for block in blocks:
        lower, lines = block.lower(), set()
        for literal in LITERALS:
            at = lower.find(literal)
            while at >= 0:
                end = lower.find("\n", at)
                end = len(lower) if end < 0 else end
                lines.add((lower.rfind("\n", 0, at) + 1, end))
                at = lower.find(literal, end)
        found += sum(len(one.findall(block[start:end])) for start, end in lines)
    return found


def _hyperscan(one: re.Pattern[str], blocks: list[bytes]) -> Callable[[], int]:
    import hyperscan

    expressions = [pattern.encode() for pattern in (*TOKENS, *IN_CONTEXT)]
    database = hyperscan.Database()
    database.compile(expressions=expressions, flags=[0] * len(expressions))

    def find() -> int:
        found = 0
        for block in blocks:
            starts: set[int] = set()

            def seen(
                _id: int,
                _from: int,
                to: int,
                _flags: int,
                _context: object,
                block: bytes = block,
                starts: set[int] = starts,
            ) -> None:
                starts.add(block.rfind(b"\n", 0, to - 1) + 1)  # fmt: skip

            database.scan(block, match_event_handler=seen)
            for start in starts:
                end = block.find(b"\n", start)
                found += len(one.findall(block[start : end if end >= 0 else None].decode()))
        return found

    return find


def _as_the_program(redactor: Redactor, blocks: list[bytes]) -> int:
    text = ConsoleCleaner(RedactingStream(redactor).feed)
    return sum(text.feed(block).count(b"****") for block in blocks) + text.end().count(b"****")


class _Nothing(RedactingStream):
    def feed(self, raw: bytes) -> bytes:
        return raw


def _cleaning(blocks: list[bytes]) -> int:
    text = ConsoleCleaner(_Nothing(Redactor()).feed)
    return sum(len(text.feed(block)) for block in blocks)


def rows(megabytes: int = 8) -> Iterator[tuple[str, str, str]]:
    """Figure, what was measured, limit or peer."""
    found = list(ways(corpus(megabytes)))
    base = next(way for way in found if way.name.startswith("re,"))
    for way in found:
        faster = f"{base.cost / way.cost:.0f} times as fast as re" if way is not base else ""
        limit = "15" if way.name == "RE2, with cleaning and all" else faster
        yield f"redaction: {way.name}, ms a MB ({way.found} found)", f"{way.cost:.1f}", limit


if __name__ == "__main__":
    for row in rows(*map(int, sys.argv[1:])):
        print("  ".join(filter(None, row)))
