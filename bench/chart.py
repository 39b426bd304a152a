"""The picture of a run of the bench, as SVG: who does how many builds a second, and how much of each
limit is used."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from bench.figure import Figure, each

WIDTH, LEFT, RIGHT = 900, 280, 150
ROW, BAR, GAP = 30, 18, 58
TOP, BOTTOM = 84, 34
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
INK, QUIET, LINE, PAPER = "#1b1f24", "#57606a", "#d0d7de", "#ffffff"
OURS, OTHERS, OVER = "#1f6feb", "#afb8c1", "#bc4c00"
NAME = "sei-poller backfill"
ROOM = 1.25
"""How much of a limit the width shows; what is beyond is cut, and its number says so."""


def chart(figures: Sequence[Figure], machine: str, date: str) -> str:
    """The whole picture. Figures without values are left out."""
    there = [figure for figure in figures if figure.values]
    body: list[str] = []
    top = TOP
    for title in dict.fromkeys(figure.compare for figure in there if figure.compare):
        rows = [figure for figure in there if figure.compare == title]
        body += _panel(title, top, list(_contenders(rows, top)))
        top += GAP + ROW * len(rows)
    limited = [figure for figure in there if figure.short and figure.limit]
    if limited:
        body += _panel("How much of each limit is used", top, list(_limits(limited, top)))
        top += GAP + ROW * len(limited)
    height = top - GAP + BOTTOM + 10
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" font-family="{FONT}" role="img" aria-label="Results of make bench">',
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
    ]
    caption = f"{machine}, {date}"
    foot = [_text(20, height - 12, caption, size=11, fill=QUIET), "</svg>"]
    return "\n".join([*head, *body, *foot]) + "\n"


def _panel(title: str, top: int, rows: Iterable[str]) -> Iterator[str]:
    yield _text(20, top - 46, title, size=16, weight=600)
    yield from rows


def _contenders(figures: Sequence[Figure], top: int) -> Iterator[str]:
    """A bar a contender, and a whisker from its least to its most."""
    room = WIDTH - LEFT - RIGHT
    most = max(max(figure.values) for figure in figures)
    for place, figure in enumerate(figures):
        ours = place == 0
        y = top - 28 + place * ROW
        wide = max(2.0, room * figure.middle / most)
        name = NAME if ours else figure.contender
        yield _label(name, y, weight=600 if ours else 400)
        yield _bar(y, wide, OURS if ours else OTHERS)
        least, end = (LEFT + room * edge(figure.values) / most for edge in (min, max))
        if end - least >= 1:
            yield _line(least, end, y + BAR / 2)
        number = f"{figure.middle:,.{0 if figure.middle >= 20 else 1}f}"
        if not ours:
            times = statistics.median(each(figures[0].values, figure.values))
            words = f"{times:.1f} times" if times >= 2 else f"{100 * times:.0f} %"
            number += f"  (ours: {words})"
        yield _text(max(LEFT + wide, end) + 8, y + 14, number, weight=600 if ours else 400)


def _limits(figures: Sequence[Figure], top: int) -> Iterator[str]:
    """A bar a figure, and the line that none may pass."""
    room = WIDTH - LEFT - RIGHT
    full = room / ROOM
    bottom = top - 28 + ROW * len(figures)
    for place, figure in enumerate(figures):
        assert figure.limit is not None
        y = top - 28 + place * ROW
        share = figure.middle / figure.limit
        wide = max(2.0, min(full * share, room))
        yield _label(figure.short, y)
        yield _bar(y, wide, OURS if figure.met else OVER)
        number = f"{figure.middle:,.{figure.digits}f} of {figure.limit:,.{_digits(figure.limit)}f}"
        yield _text(max(LEFT + wide, LEFT + full) + 8, y + 14, number + figure.unit)
    x = LEFT + full
    yield (
        f'<line x1="{x:.1f}" y1="{top - 34}" x2="{x:.1f}" y2="{bottom}" stroke="{INK}"'
        ' stroke-width="1" stroke-dasharray="3 3"/>'
    )


def _digits(limit: float) -> int:
    return 0 if limit == int(limit) else 1


def _label(words: str, y: float, weight: int = 400) -> str:
    return _text(LEFT - 12, y + 14, words, anchor="end", weight=weight)


def _bar(y: float, wide: float, fill: str) -> str:
    return f'<rect x="{LEFT}" y="{y:.1f}" width="{wide:.1f}" height="{BAR}" rx="2" fill="{fill}"/>'


def _line(start: float, end: float, y: float) -> str:
    return (
        f'<line x1="{start:.1f}" y1="{y:.1f}" x2="{end:.1f}" y2="{y:.1f}" stroke="{INK}"'
        ' stroke-width="1.5"/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    fill: str = INK,
    weight: int = 400,
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" font-weight="{weight}"'
        f' text-anchor="{anchor}">{escape(words)}</text>'
    )
