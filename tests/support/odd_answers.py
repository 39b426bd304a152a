"""Single answers of a simulated Jenkins that are JSON, and wrong."""

from __future__ import annotations

import dataclasses
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from poller.demo.faults import Answer, Fault, Request, matches
from poller.demo.jenkins.items import Jenkins
from tests.support.random_faults import plain

OK = 200
JSON = {"Content-Type": "application/json;charset=utf-8"}


def change_next(
    jenkins: Jenkins, path_glob: str, change: Callable[[Any], Any], times: int | None = 1
) -> None:
    """The next answer is what ``change`` makes of the right one's JSON; ``times`` as in Fault."""

    def changed(usual: Answer) -> Answer:
        if usual.status != OK:
            return usual
        whole = plain(usual)
        body = json.dumps(change(json.loads(whole.body))).encode()
        return dataclasses.replace(whole, body=body)

    jenkins.faults.append(Fault(path_glob, Answer(None, change=changed), times))


def answer_empty(jenkins: Jenkins, path_glob: str) -> None:
    """The next answer is ``{}``."""
    jenkins.fail(path_glob, status=200, body="{}", headers=JSON, times=1)


def answer_too_large(jenkins: Jenkins, path_glob: str, limit: int) -> None:
    """The next answer is larger than ``limit`` bytes."""
    body = b'{"_class":"' + limit * b"x" + b'"}'
    jenkins.fail(path_glob, status=200, body=body, headers=JSON, times=1)


def with_wrong_type(key: str) -> Callable[[Any], Any]:
    """An answer in which each value of that key is of a type that it never has."""

    def change(value: Any) -> Any:
        if isinstance(value, list):
            return [change(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {name: {"odd": []} if name == key else change(one) for name, one in value.items()}

    return change


def refuse_pages_with(
    jenkins: Jenkins, full_name: str, number: int, *, alone: bool = False
) -> None:
    """From now on each page of builds that has more than the number of this one is a 500; where it
    is the only one, if ``alone``."""

    def changed(usual: Answer) -> Answer:
        answer = json.loads(plain(usual).body) if usual.status == OK else {}
        builds = answer.get("builds") or answer.get("allBuilds") or []
        bad = any(one["number"] == number and len(one) > 2 for one in builds)
        bad = bad and (alone or len(builds) > 1)
        return Answer(500, b"no", {"Content-Type": "text/html"}) if bad else usual

    path = "".join(f"/job/{name}" for name in full_name.split("/"))
    jenkins.faults.append(Fault(f"{path}/api/json?*uilds*", Answer(None, change=changed)))


def without(number: int) -> Callable[[Any], Any]:
    """A list of builds as it was before that one."""
    return lambda answer: {
        **answer,
        "builds": [build for build in answer["builds"] if build["number"] < number],
    }


@dataclasses.dataclass
class AnswersOf:
    """One of a server's ``faults``: the next answer is the one of ``other``, as a replica that lags
    or a cache gives it."""

    path_glob: str
    other: Jenkins
    times: int = 1

    def __call__(self, request: Request) -> Answer | None:
        """What the other one answers."""
        if not self.times or not matches(self.path_glob, request):
            return None
        self.times -= 1
        who = b64encode(b"reader:reader-token").decode()
        headers = {"authorization": f"Basic {who}", "host": "localhost"}
        return self.other.app.usual(request, headers, quote(request.query, safe="=&").encode())
