"""What the bench makes of its figures: goals met, a table beside what is written by hand, a picture."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.chart import chart
from bench.figure import Figure, Results, decoded, each, encoded
from bench.report import BEGIN, END, write

BARS = [
    Figure("a", [100.0, 120.0, 80.0], compare="speed", contender="ours"),
    Figure("b", [200.0, 200.0, 100.0], compare="speed", contender="bare & fast"),
    Figure("c", compare="speed", contender="absent", failed="not to be had"),
    Figure("memory", [60.0], " MiB", 0, 120, short="memory"),
]


def results(figures: list[Figure]) -> Results:
    return Results("2 cores", "2026-11-25", "python -m bench", 1.0, {"one": figures})


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("at most", [1.0, 3.0, 2.0], limit=2), True),
        (Figure("at most", [1.0, 3.0, 2.5], limit=2), False),
        (Figure("at least", [1.0, 3.0, 2.0], limit=2, at_most=False), True),
        (Figure("at least", [1.0, 3.0, 1.5], limit=2, at_most=False), False),
        (Figure("no goal", [1.0]), None),
        (Figure("not measured", limit=2), False),
    ],
)
def test_a_goal_is_met_by_the_median(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


def test_a_figure_tells_its_median_and_its_spread_and_why_there_is_none() -> None:
    assert Figure("a", [3.0, 1.0, 2.0], " ms").measured == "2.0 ms (1.0 to 3.0)"
    assert Figure("a", [2.0, 2.0], " ms").measured == "2.0 ms"
    assert Figure("a", [1.0], failed="exit code\n 1").measured == "failed: exit code 1"
    assert Figure("a").measured == "not to be had"


def test_runs_are_compared_one_by_one() -> None:
    assert each([10.0, 20.0], [5.0, 5.0]) == [2.0, 4.0]
    assert each([10.0, 20.0], [5.0]) == [2.0]


def test_results_come_back_from_their_file() -> None:
    assert decoded(encoded(results(BARS))) == results(BARS)


def test_the_table_goes_between_the_marks_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    path.write_text(f"# Measured\n\n{BEGIN}\nof old\n{END}\n\n## By hand\n")
    for _ in range(2):
        write(results(BARS), tmp_path)
    text = path.read_text()
    assert text.startswith(f"# Measured\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\n## By hand\n")
    assert "of old" not in text
    assert text.count("| memory | 60 MiB | ≤ 120 MiB | yes |  |") == 1
    assert "failed: not to be had" in text


def test_the_picture_has_a_bar_a_contender_that_ran() -> None:
    root = ElementTree.fromstring(chart(BARS, "2 cores", "today"))  # noqa: S314 - our own
    texts = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))[1:]
    assert len(bars) == 3
    assert "bare & fast" in texts
    assert "absent" not in texts
    assert "200  (ours: 60 %)" in texts
    assert "60 of 120 MiB" in texts
    assert float(bars[0].get("width", 0)) * 2 == pytest.approx(float(bars[1].get("width", 0)), 0.01)
