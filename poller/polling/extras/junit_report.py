"""The cases of a build's test report: a value of a wrong type costs that value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from poller.core.errors import BadAnswer
from poller.jenkins.answers import worth_splitting
from poller.jenkins.client import JenkinsClient
from poller.jenkins.paths import job_path

REPORT_LIMIT = 16 * 2**20
"""Bytes of a report: those of ten thousands of tests with the traces of some hundred failures."""

_NAMES = "className,name,duration,status"
_TEXTS = f"{_NAMES},errorDetails,errorStackTrace"
FAILED = ("FAILED", "REGRESSION")
"""Jenkins' words; the second: it passed in the build before."""


class ReportCase(Struct, frozen=True, gc=False):
    """One of ``cases[]``: texts, and ``duration`` in seconds; each may be anything."""

    className: Any = None
    name: Any = None
    status: Any = None
    duration: Any = None
    errorDetails: Any = None
    errorStackTrace: Any = None


class ReportSuite(Struct, frozen=True, gc=False):
    """One of ``suites[]``."""

    name: Any = None
    cases: list[ReportCase | None] | None = None


class ReportPart(Struct, frozen=True, gc=False):
    """What has suites."""

    suites: list[ReportSuite | None] | None = None


class ChildReport(Struct, frozen=True, gc=False):
    """One of ``childReports[]``, as a Maven project has them."""

    result: ReportPart | None = None


class JUnitReport(ReportPart, frozen=True, gc=False):
    """``job/…/N/testReport/api/json``."""

    childReports: list[ChildReport | None] | None = None

    def failed(self) -> Iterator[tuple[Any, ReportCase]]:
        """Each case that failed, with the name of its suite."""
        children = (child.result for child in self.childReports or () if child)
        for part in (self, *filter(None, children)):
            for suite in filter(None, part.suites or ()):
                cases = filter(None, suite.cases or ())
                yield from ((suite.name, case) for case in cases if case.status in FAILED)


async def fetch_report(client: JenkinsClient, full_name: str, number: int) -> JUnitReport:
    """The report; one that is too large without its texts. Raises NotFound where there is none,
    RemoteError."""
    what = f"test report of {full_name} #{number}"
    path = f"{job_path(full_name)}{number}/testReport/api/json"

    async def ask(fields: str) -> JUnitReport:
        suites = f"suites[name,cases[{fields}]]"
        tree = {"tree": f"{suites},childReports[result[{suites}]]"}
        return await client.get_json(what, path, tree, JUnitReport, REPORT_LIMIT)

    try:
        return await ask(_TEXTS)
    except BadAnswer as error:
        if not worth_splitting(error):
            raise
        return await ask(_NAMES)
