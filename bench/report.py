"""The table of a run of the bench: on a terminal, and in RESULTS.md between two marks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from bench.chart import chart
from bench.figure import Figure, Results, encoded

BEGIN, END = "<!-- made by `make bench` -->", "<!-- until here -->"
WORDS = {True: "yes", False: "**no**", None: ""}


def all_figures(results: Results) -> list[Figure]:
    """Of all sections."""
    return [figure for figures in results.sections.values() for figure in figures]


def table(results: Results) -> Table:
    """For a terminal."""
    shown = Table("figure", "median (least to most)", "goal", "met", "note")
    for figures in results.sections.values():
        for figure in figures:
            met = {True: "yes", False: "no", None: ""}[figure.met]
            style = "bold red" if figure.met is False or figure.failed else None
            shown.add_row(
                figure.name, figure.measured, figure.wanted, met, figure.note, style=style
            )
        shown.add_section()
    return shown


def markdown(results: Results) -> str:
    """For RESULTS.md."""
    return "\n".join(_lines(results))


def _lines(results: Results) -> Iterator[str]:
    yield BEGIN
    yield ""
    yield f"`{results.command}`, {results.date}, {results.minutes:.0f} minutes, on {results.machine}."
    yield ""
    yield "![Builds a second, and how much of each limit is used](chart.svg)"
    yield ""
    yield "| figure | median (least to most) | goal | met | note |"
    yield "|---|---|---|---|---|"
    for figure in all_figures(results):
        cells = (figure.name, figure.measured, figure.wanted, WORDS[figure.met], figure.note)
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    yield ""
    yield END


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def write(results: Results, directory: Path) -> None:
    """Keep the raw results, the picture and the table there; of a RESULTS.md the rest stays."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_bytes(encoded(results))
    picture = chart(all_figures(results), results.machine, results.date)
    (directory / "chart.svg").write_text(picture, "utf-8")
    path = directory / "RESULTS.md"
    text = path.read_text("utf-8") if path.exists() else f"# Measured\n\n{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(before + markdown(results) + after, "utf-8")
