"""Raw bytes of a log → clean, redacted lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.jenkins.console_text import (
    LINE_CUT,
    LINE_LIMIT,
    RAW_LINE_LIMIT,
    ConsoleCleaner,
    clean_console,
    html_text,
    without_cut_start,
)
from poller.mapping.redaction import RedactingStream, Redactor

RECORDINGS = Path(__file__).parent.parent / "recordings"
REDACTOR = Redactor()
NOTE = b"\x1b[8mha:////4GyT/yITGk4eAAAA=\x1b[0m"


def read(raw: bytes, size: int = 0) -> bytes:
    """The text of a log that comes ``size`` bytes at a time, or at once."""
    text = ConsoleCleaner(RedactingStream(REDACTOR).feed)
    chunks = [raw[i : i + size] for i in range(0, len(raw), size)] if size else [raw]
    return b"".join([*map(text.feed, chunks), text.end()])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"one\r\ntwo\nthree", b"one\ntwo\nthree\n"),
        (b" 10%\r 20%\r\n", b" 10%\n 20%\n"),
        (b"Started by user " + NOTE + b"alice\r\n", b"Started by user alice\n"),
        (NOTE + b"[Pipeline] sh\n", b"[Pipeline] sh\n"),
        (b"ha:////4GyT/yITGk4eAAAA=\x1b[0madmin\n", b"admin\n"),
        (b"\x1b[31mred\x1b[0m \x1b[1;32mbold\x1b[m\x1b[K\n", b"red bold\n"),
        (b"\x1b]0;title\x07x \x1b]8;;http://h\x1b\\link\x1b]8;;\x1b\\\n", b"x link\n"),
        (b"\x1b(B\x1b7x\x1b8\x1b>\n", b"x\n"),
        (b"a\x1bPq#0\x1b\\b \x1b_x\x1b\\c\n", b"ab c\n"),
        (b"nul:[\x00] bell:[\x07] del:[\x7f] tab:[\t]\n", b"nul:[] bell:[] del:[] tab:[\t]\n"),
        (b"invalid:[\xff\xfe] cut:\xe6\x97\n", "invalid:[��] cut:�\n".encode()),
        ("nîçödé 日本語 🎉\n".encode(), "nîçödé 日本語 🎉\n".encode()),
        ("c1:[\x85\x9b]\n".encode(), b"c1:[]\n"),
        ("password=hunter2\n".encode("utf-16-le"), b"password=****\n"),
        (b"pass\x1b[1mword=hun\x1b[0mter2\n", b"password=****\n"),
        (b"", b""),
    ],
)  # fmt: skip
def test_what_terminals_and_jenkins_hide_goes(raw: bytes, expected: bytes) -> None:
    """Before secrets are looked for: an escape sequence in the middle of one hides it."""
    assert expected == read(raw)
    assert expected == read(raw, 1)


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*/b*_progressive.txt")), ids=str)
def test_recorded_logs(path: Path) -> None:
    """Logs of a real Jenkins: all lines are there, none has a CR or an escape."""
    raw = path.read_bytes()
    text = read(raw, 100)
    assert raw.replace(b"one\rtwo", b"one\ntwo").count(b"\n") <= text.count(b"\n") + 20
    assert not {b"\r", b"\x1b", b"\x00"} & {text[i : i + 1] for i in range(len(text))}


def test_recorded_secrets() -> None:
    """A pipeline of a real Jenkins that printed what it should not have."""
    text = read((RECORDINGS / "p-secrets" / "b1_progressive.txt").read_bytes()).decode()
    for secret in ("wJalr", "hunter2", "ghp_", "p4ssw0rd", "eyJhb", "MIIE", "abc123", "s3cret"):
        assert secret not in text
    assert "Authorization: Bearer ****\n****\nred text bold green\n" in text
    assert text.endswith(
        "ERROR: Failed with token=**** at https://****@git.invalid/x\nFinished: FAILURE\n"
    )


LINES = st.sampled_from([
    b"token=hunter2", b"", b"\x1b[31mred\x1b[0m", NOTE + b"x", "日本".encode(), b"a\rb", b"\xff",
    b"-----BEGIN PRIVATE KEY-----", b"M" * 64, b"-----END PRIVATE KEY-----", b"\r",
])  # fmt: skip


@given(st.lists(LINES, max_size=10), st.integers(1, 40), st.sampled_from([b"\n", b"\r\n"]))
def test_chunks_make_no_difference(lines: list[bytes], size: int, newline: bytes) -> None:
    """Wherever a chunk ends: in a line, in a CRLF, in a character, in a secret, in a key."""
    raw = newline.join(lines)
    assert read(raw).replace(b"****\n\n", b"****\n") == read(raw, size).replace(
        b"****\n\n", b"****\n"
    )
    assert b"hunter2" not in read(raw, size)


def test_a_long_line_is_cut() -> None:
    """And what follows it is not lost."""
    raw = b"x" * (LINE_LIMIT + 1) + b"\nnext\n"
    assert read(raw) == b"x" * LINE_LIMIT + LINE_CUT + b"\nnext\n"
    assert read(b"x" * LINE_LIMIT + b"\nnext\n") == b"x" * LINE_LIMIT + b"\nnext\n"


@pytest.mark.parametrize("before", [LINE_LIMIT - 30, LINE_LIMIT - 5, LINE_LIMIT - 1])
@pytest.mark.parametrize("length", [LINE_LIMIT + 100, RAW_LINE_LIMIT * 3])
def test_no_half_secret_is_left_where_a_line_is_cut(before: int, length: int) -> None:
    """A token across the cut is found whole first."""
    token = b"ghp" + b"_" + b"a1" * 18
    line = (b"x " * length)[: before - 1] + b" " + token
    raw = line + b" y" * (length - len(line)) + b"\n"
    for size in (0, 1000):
        assert b"ghp" not in read(raw, size)


def test_a_secret_across_the_end_of_what_is_looked_at() -> None:
    """Less is kept than is looked at."""
    for shift in range(0, 60, 7):
        raw = (
            NOTE * 4500
            + b"x" * (RAW_LINE_LIMIT - len(NOTE) * 4500 - shift)
            + b" ghp"
            + b"_"
            + b"a1" * 18
        )
        assert b"ghp" not in read(raw + b"z" * 200_000 + b"\n", 65536)


def test_a_line_of_100_mb_takes_no_memory() -> None:
    """Nor do many in a row."""
    text = ConsoleCleaner(RedactingStream(REDACTOR).feed)
    kept = b"".join(text.feed(b"x" * 65_536) for _ in range(1_600))
    kept += text.feed(b"\nnext\n") + text.end()
    assert kept == b"x" * LINE_LIMIT + LINE_CUT + b"\nnext\n"
    assert len(text._rest) == 0


def test_clean_leaves_plain_text_alone() -> None:
    """It is the usual case."""
    assert clean_console(b"plain\ttext\n") == b"plain\ttext\n"


def test_html_becomes_text() -> None:
    """Links and colours go; what is no tag stays, and so does what was escaped."""
    page = "<a href='https://h/?a=1&amp;b=2'>https://h/?a=1&amp;b=2</a> a &lt;b&gt; &amp;amp;\n"
    assert html_text(page) == "https://h/?a=1&b=2 a <b> &amp;\n"
    assert (
        html_text('<span style="color: #CD0000;">red</span> 1 < 2 <unended') == "red 1 < 2 <unended"
    )
    assert html_text("<" * 100_000) == "<" * 100_000


def test_a_tail_begins_with_a_whole_line() -> None:
    """And not within a private key, which nobody would know for one."""
    assert without_cut_start(b"half a secret\nline\n") == b"line\n"
    assert without_cut_start(b"one line only") == b""
    key = b"MIIE\nQUJD\n-----END RSA PRIVATE KEY-----\nafter\n"
    assert without_cut_start(key) == b"after\n"
    whole = b"x\n-----BEGIN RSA PRIVATE KEY-----\nQUJD\n-----END RSA PRIVATE KEY-----\n"
    assert without_cut_start(whole) == whole[2:]
