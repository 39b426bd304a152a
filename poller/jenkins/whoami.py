"""Who Jenkins takes us for, asked through python-jenkins."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import jenkins
import requests

from poller import http
from poller.errors import BadAnswer
from poller.jenkins.api import DENIED, FACTS_LIMIT

WHAT = "user"


class _Server(jenkins.Jenkins):  # type: ignore[misc]
    """python-jenkins whose requests go the way of all others: through :mod:`poller.http`.

    Its own session would read ``~/.netrc``, other proxies and other CAs than we do, and follow
    redirects.
    """

    def __init__(self, where: str, connection: http.Connection, user: str, token: str) -> None:
        super().__init__(connection.url, timeout=connection.timeout / 1000)
        self._where = where
        self._connection = connection
        self._login = http.basic(user, token)

    def jenkins_request(
        self,
        req: requests.Request,
        add_crumb: bool = True,
        resolve_auth: bool = True,
        stream: Any = None,
    ) -> requests.Response:
        """The answer to one request, whole and within a limit. Raises RemoteError."""
        del add_crumb, resolve_auth, stream
        answer = asyncio.run(self._ask(req.url))
        response = requests.Response()
        response.status_code, response._content = answer.status, answer.body
        response.encoding = "utf-8"
        return response

    async def _ask(self, url: str) -> http.Answer:
        seconds = self._connection.timeout / 1000
        made = http.client(self._connection, credentials=self._login)
        async with contextlib.aclosing(made) as client:
            answer = await http.ask(
                client, client.request("GET", url), where=self._where, what=WHAT,
                limit=FACTS_LIMIT, seconds=seconds,
            )  # fmt: skip
        http.refuse(answer, self._where, WHAT, denied_hint=DENIED)
        return answer


def whoami(where: str, connection: http.Connection, user: str, token: str) -> str:
    """The id of our user, of ``me/api/json``; blocks. Raises RemoteError, also for anonymous."""
    try:
        answer = _Server(where, connection, user, token).get_whoami()
    except (jenkins.JenkinsException, json.JSONDecodeError, RecursionError) as error:
        raise BadAnswer(where, WHAT, "no JSON where JSON is due", "is it a login page?") from error
    if not isinstance(answer, dict):
        raise BadAnswer(where, WHAT, "no JSON object")
    return str(answer.get("id") or "of no name")
