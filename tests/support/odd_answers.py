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

JSON = {"Content-Type": "application/json;charset=utf-8"}


def change_next(
    jenkins: Jenkins, path_glob: str, change: Callable[[Any], Any], times: int | None = 1
) -> None:
    """The next answer is what ``change`` makes of the right one's JSON; ``times`` as in Fault."""

    def changed(usual: Answer) -> Answer:
        whole = plain(usual)
        body = json.dumps(change(json.loads(whole.body))).encode()
        return dataclasses.replace(whole, body=body)

    jenkins.faults.append(Fault(path_glob, Answer(None, change=changed), times))


def answer_empty(jenkins: Jenkins, path_glob: str) -> None:
    """The next answer is ``{}``."""
    jenkins.fail(path_glob, status=200, body="{}", headers=JSON, times=1)


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
