"""Tests that failed as JUnit's files, which SEI's Jenkins plugin finds in a workspace. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, tostring

from poller.ledger.logs.failures import FailedTest

_NO_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LONGEST_NAME = 100


def junit_files(tests: Iterable[FailedTest]) -> dict[str, bytes]:
    """A file a suite, by its name."""
    files: dict[str, bytes] = {}
    for place, (suite, found) in enumerate(groupby(tests, lambda test: test.suite), 1):
        name = _NO_FILE_NAME.sub("-", suite)[:LONGEST_NAME]
        files[f"TEST-{place}-{name}.xml"] = _file(suite, list(found))
    return files


def _file(suite: str, tests: list[FailedTest]) -> bytes:
    count = str(len(tests))
    root = Element("testsuite", name=_text(suite), tests=count, failures=count)
    for test in tests:
        seconds = f"{test.duration / 1000:.3f}"
        names = {"classname": _text(test.class_name), "name": _text(test.name)}
        case = SubElement(root, "testcase", {**names, "time": seconds})
        SubElement(case, "failure", message=_text(test.message)).text = _text(test.trace)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))


def _text(text: str) -> str:
    """Without the characters that no XML can have."""
    return _NO_XML.sub("\ufffd", text)
