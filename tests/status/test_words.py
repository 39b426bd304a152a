"""What the page says and how it draws: pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.core.times import HOUR_MS
from poller.http.breaker import Breaker, BreakerState
from poller.status.build_page import bars, read, web_address, whole_length
from poller.status.chart import HEIGHT, day_chart, nice_top, span
from poller.status.health import Overdue
from poller.status.html import clock_time, lasted, render, short, when
from poller.status.problems import all_well, problems
from poller.status.search import SHOWN, last_part
from poller.status.sinks import SinkState
from poller.status.snapshot import ControllerState, LedgerSize, Snapshot

NOW = 1_764_000_000_000
MINUTE = 60_000
ROOM = 2**40

WELL = ControllerState(
    name="main", every="every 1m", interval=MINUTE, jobs=5, last_poll=NOW, last_success=NOW,
    error=None, overdue=None, asked=0, collected=0, builds={},
)  # fmt: skip
SINK = SinkState(
    name="sei", queued=0, oldest=None, delivered=9, rejected=0, rejected_lately=0,
    last_success=NOW, error=None,
)  # fmt: skip


def state(controller: ControllerState = WELL, sink: SinkState = SINK, free: int = ROOM) -> Snapshot:
    """One controller and one sink."""
    return Snapshot(NOW, "", LedgerSize(0, free), (controller,), (sink,))


def texts(
    controller: ControllerState = WELL, sink: SinkState = SINK, free: int = ROOM
) -> list[str]:
    """What is said, the worst first."""
    return [problem.text for problem in problems(state(controller, sink, free))]


def test_all_well_is_one_sentence() -> None:
    """That says what was looked at."""
    assert texts() == []
    said = all_well(state(sink=replace(SINK, queued=1)))
    assert said == (
        "All well: 1 controller polled on time, 1 build on the way,"
        " nothing was rejected in the last day."
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"last_success": NOW - 14 * MINUTE, "overdue": Overdue("main", NOW - 14 * MINUTE, "x")},
            "main has not answered for 14 min.",
        ),
        ({"last_success": None, "overdue": Overdue("main", None, "x")}, "main has never answered."),
        ({"last_success": NOW - MINUTE, "error": "x"}, "main did not answer the last poll."),
        ({"error": "x"}, "main: not all was collected; it is asked again."),
        (
            {"last_poll": None, "last_success": None, "overdue": Overdue("main", None, None)},
            "main has not been polled yet.",
        ),
    ],
)
def test_a_controller_in_words(change: dict[str, Any], expected: str) -> None:
    """Each state has its sentence."""
    assert texts(controller=replace(WELL, **change)) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"error": "HTTP 503", "queued": 1204, "oldest": NOW - 49 * MINUTE,
             "last_success": NOW - 50 * MINUTE},
            "sei has taken no build for 50 min: 1,204 builds queued, the oldest for 49 min;"
            " none is lost.",
        ),
        (
            {"error": "HTTP 401", "queued": 1, "oldest": NOW - 5000, "last_success": None},
            "sei has taken no build since it was set up: 1 build queued, the oldest for 5 s;"
            " none is lost.",
        ),
        ({"queued": 2, "oldest": NOW - 16 * MINUTE}, "sei lags: 2 builds queued, the oldest for 16 min."),
        (
            {"logs_breaker": Breaker(BreakerState.OPEN, why="HTTP 404"), "without_logs": 3},
            "sei takes no logs: failed builds go without, 3 so far.",
        ),
        ({"rejected_lately": 1}, "sei rejected 1 build in the last day."),
        (
            {"queued": 1200, "oldest": NOW - 60 * MINUTE, "per_second": 6.0},
            "sei is catching up: 1,200 queued, 6 a second, about 3 min.",
        ),
        (
            {"queued": 3, "oldest": NOW - 60 * MINUTE, "alone": (3, 1)},
            "sei takes others, but not 3 builds of 1 job; each is tried again.",
        ),
    ],
)  # fmt: skip
def test_a_sink_in_words(change: dict[str, Any], expected: str) -> None:
    """Each state has its sentence; a queue that moves has none."""
    assert texts(sink=replace(SINK, **change)) == [expected]
    assert texts(sink=replace(SINK, queued=500, oldest=NOW - MINUTE)) == []


def test_a_sink_that_left_the_config_in_words() -> None:
    """What waits for it, and the two ways out."""
    former = replace(state(), sinks=(), former_sinks=(replace(SINK, name="jsonl", queued=2),))
    (problem,) = problems(former)
    assert problem.text == "jsonl is not in the config, and 2 builds wait for it."
    assert problem.command == "sei-poller retry --drop jsonl"


def test_an_unknown_guid_in_words() -> None:
    """It is bad: what SEI does not know it drops."""
    (problem,) = problems(state(replace(WELL, guid_problem="SEI does not know the GUID x")))
    assert (problem.severity, problem.detail) == ("bad", "SEI does not know the GUID x")
    assert problem.text == "SEI does not know main: it would drop its runs."


def test_the_worst_is_said_first() -> None:
    """Whatever it is."""
    said = texts(replace(WELL, error="x"), replace(SINK, rejected_lately=2), free=2**20)
    assert said[0] == "The ledger's disk has 1 MiB left."
    assert len(said) == 3


def test_the_day_has_24_hours_with_the_present_one_last() -> None:
    """All of the sink's controllers together; other sinks and days left out."""
    hour = NOW // HOUR_MS * HOUR_MS
    row = {"sink": "sei", "hour": hour, "queued": 30, "delivered": 20, "rejected": 10}
    rows = [row, row, {**row, "sink": "jsonl"}, {**row, "hour": hour - 24 * HOUR_MS}]
    chart = day_chart(rows, "sei", NOW)
    assert [hour - place * HOUR_MS for place in range(23, -1, -1)] == [b.hour for b in chart.bars]
    assert (chart.queued, chart.delivered, chart.rejected, chart.top) == (60, 40, 20, 100)
    assert chart.bars[-1].queued_height == round(HEIGHT * 0.6, 1)


@given(st.integers(0, 10**9))
def test_the_scale_is_round_and_high_enough(most: int) -> None:
    """1, 2 or 5 with noughts."""
    top = nice_top(most)
    assert max(10, most) <= top <= max(10, most * 2.5)
    assert str(top).rstrip("0") in ("1", "2", "5")


@given(
    st.integers(-(2**62), 2**62), st.integers(-(2**62), 2**62), st.integers(0, 2**62),
    st.integers(-5, 2**62),
)  # fmt: skip
def test_a_bar_is_within_its_build(start: int, duration: int, begin: int, length: int) -> None:
    """And is seen, whatever the clocks of agents say."""
    found = span(start, duration, begin, length)
    if length <= 0:
        assert found is None
        return
    assert found is not None
    assert found.left >= 0
    assert found.width >= 0.4
    assert found.left + found.width <= 100.4


def test_stages_of_a_payload() -> None:
    """Those without a start have no bar; a stage may end after its build."""
    kept = read(
        b'{"web_url": "https://j/1", "job_run": {"stages": ['
        b'{"id":"1","startTime":"2025-11-24T16:00:02Z","displayName":"A","displayDescription":"A",'
        b'"durationInMillis":6000,"result":"SUCCESS","state":"FINISHED","steps":[]},'
        b'{"id":"2","displayName":"","displayDescription":"say","durationInMillis":1,'
        b'"result":"UNKNOWN","state":"PAUSED"}]}}'
    )
    assert kept is not None
    assert kept.job_run is not None
    begin = 1_764_000_000_000
    length = whole_length(kept.job_run, {"timestamp": begin, "duration": 4000})
    assert length == 8000
    first, second = bars(kept.job_run.stages, begin, length)
    assert first.span is not None
    assert (first.span.left, first.span.width, first.description) == (25, 75, "")
    assert (second.span, second.name, second.description) == (None, "(no name)", "say")


def test_a_payload_that_can_not_be_read_is_no_error() -> None:
    """Of another version, or cut."""
    for body in (b"", b"[]", b'{"job_run": 5}', b"\xff"):
        assert read(body) is None


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//x", "", "ftp://x"])
def test_only_web_addresses_are_links(url: str) -> None:
    """A payload is somebody's text."""
    assert web_address(url) == ""
    assert web_address("https://jenkins/job/1/") == "https://jenkins/job/1/"


def test_long_names_and_logs_are_cut_where_it_hurts_least() -> None:
    """Names in their middle, logs at their beginning, in whole lines."""
    assert short("team/app") == "team/app"
    assert len(short("x" * 10_000)) <= 121
    assert short("a" * 200 + "end").endswith("end")
    log = "".join(f"line {number}\n" for number in range(20_000))
    part = last_part(log)
    assert part.startswith("…\nline ")
    assert log.endswith(part[2:])
    assert SHOWN - 20 < len(part) <= SHOWN + 2
    assert last_part("short\n") == "short\n"


@pytest.mark.parametrize(
    ("span_ms", "expected"),
    [
        (-5, "0 ms"), (0, "0 ms"), (999, "999 ms"), (4_200, "4.2 s"), (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"), (10**10, "2,777 h 46 min"),
    ],
)  # fmt: skip
def test_durations(span_ms: int, expected: str) -> None:
    """In the two largest units."""
    assert lasted(span_ms) == expected


def test_moments() -> None:
    """Since when, with the moment for machines; nonsense is a dash."""
    assert when(NOW - 5 * MINUTE, NOW) == (
        '<time datetime="2025-11-24T15:55:00Z" title="2025-11-24T15:55:00Z">5 min ago</time>'
    )
    assert ">0 s ago<" in when(NOW + 30_000, NOW)
    assert ">to come<" in when(NOW + 3_600_000, NOW)
    assert {"–"} == {str(when(at, NOW)) for at in (None, 0, -1, 2**62)}
    assert clock_time(NOW) == "16:00"


def test_a_lone_surrogate_does_not_break_a_page() -> None:
    """JSON can hold one."""
    assert b"?" in render("error.html", 0, title="\ud800", text="<b>")
    assert b"&lt;b&gt;" in render("error.html", 0, title="x", text="<b>")
