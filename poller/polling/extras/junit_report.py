"""The cases of a build's test report."""

from __future__ import annotations

from collections.abc import Iterator

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
    """One of ``cases[]``; ``duration`` is in seconds."""

    className: str | None = None
    name: str | None = None
    status: str | None = None
    duration: float | None = None
    errorDetails: str | None = None
    errorStackTrace: str | None = None


class ReportSuite(Struct, frozen=True, gc=False):
    """One of ``suites[]``."""

    name: str | None = None
    cases: list[ReportCase] = []


class ReportPart(Struct, frozen=True, gc=False):
    """What has suites."""

    suites: list[ReportSuite] = []


class ChildReport(Struct, frozen=True, gc=False):
    """One of ``childReports[]``, as a Maven project has them."""

    result: ReportPart | None = None


class JUnitReport(ReportPart, frozen=True, gc=False):
    """``job/…/N/testReport/api/json``."""

    childReports: list[ChildReport] = []

    def failed(self) -> Iterator[tuple[str, ReportCase]]:
        """Each case that failed, with the name of its suite."""
        parts = [self, *(child.result for child in self.childReports if child.result)]
        for suite in (suite for part in parts for suite in part.suites):
            yield from ((suite.name or "", case) for case in suite.cases if case.status in FAILED)


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
