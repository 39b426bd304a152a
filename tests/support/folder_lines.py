"""What ``make test`` shows: one line a folder when all its tests are over, in place of the dots."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Iterable
from typing import Any

import pytest


def folder_of(nodeid: str) -> str:
    """The folder in ``tests`` in which a test is."""
    _, *folders, _ = nodeid.partition("::")[0].split("/")
    return folders[0] if folders else "tests"


class FolderLines:
    """A plugin of the process that reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.terminal: Any = config.pluginmanager.getplugin("terminalreporter")
        self.terminal.showfspath = False
        self.left: Counter[str] = Counter()
        self.results: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Without xdist: what there is to do."""
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """With xdist: the same of a worker, and of the next, which has found as much."""
        self._expect(ids)

    def _expect(self, ids: Iterable[str]) -> None:
        self.left = Counter(map(folder_of, ids)) or self.left

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> Generator[None, tuple[str, Any, Any], tuple[str, str, str]]:
        """Counted as ever, and shown by no letter."""
        category, _, _ = yield
        if isinstance(report, pytest.TestReport):
            self._count(report, category)
        return category, "", ""

    def _count(self, report: pytest.TestReport, category: str) -> None:
        name = folder_of(report.nodeid)
        self.seconds[name] += report.duration
        if category:
            self.results[name][category] += 1
        if report.when == "teardown":
            self.left[name] -= 1
            if not self.left[name]:
                counts = ", ".join(f"{count} {what}" for what, count in self.results[name].items())
                bad = bool(self.results[name].keys() & {"failed", "error"})
                self.terminal.ensure_newline()
                self.terminal.write_line(
                    f"{name:<10} {counts:<24} {self.seconds[name]:6.1f} s", red=bad, green=not bad
                )
