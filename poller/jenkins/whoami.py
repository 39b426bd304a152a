"""Who Jenkins takes us for, asked through python-jenkins."""

from __future__ import annotations

import json
from typing import Any

import jenkins
import requests

from poller.errors import BadAnswer, RemoteError, Unauthorized, Unreachable
from poller.http import Connection
from poller.jenkins.api import DENIED, FACTS_LIMIT


class _Server(jenkins.Jenkins):  # type: ignore[misc]
    """python-jenkins without its redirects, unlimited bodies and crumb: every request goes here."""

    def __init__(self, where: str, connection: Connection, user: str, token: str) -> None:
        super().__init__(connection.url, user, token, timeout=connection.timeout / 1000)
        self.crumb = False
        self._where = where
        self._connection = connection
        self._login = (user, token)

    def jenkins_request(
        self,
        req: requests.Request,
        add_crumb: bool = True,
        resolve_auth: bool = True,
        stream: Any = None,
    ) -> requests.Response:
        """Send one request; the body is read up to a limit, a redirect is not followed."""
        del add_crumb, resolve_auth, stream
        connection = self._connection
        req.auth = self._login
        with requests.Session() as session:
            settings = session.merge_environment_settings(
                connection.url,
                {"https": connection.proxy, "http": connection.proxy} if connection.proxy else {},
                True,
                connection.ca_file,
                None,
            )
            response = session.send(
                req.prepare(), timeout=self.timeout, allow_redirects=False, **settings
            )
            with response:
                body = response.raw.read(FACTS_LIMIT + 1, decode_content=True)
            response._content = body
        if response.status_code in (401, 403):
            denied = Unauthorized(self._where, "", f"HTTP {response.status_code}", DENIED)
            denied.status = response.status_code
            raise denied
        if response.status_code != requests.codes.ok or len(body) > FACTS_LIMIT:
            raise BadAnswer(self._where, "user", f"HTTP {response.status_code}, {len(body)} bytes")
        return response


def whoami(where: str, connection: Connection, user: str, token: str) -> str:
    """The id of our user, of ``me/api/json``; blocks. Raises RemoteError, also for anonymous."""
    try:
        answer = _Server(where, connection, user, token).get_whoami()
    except RemoteError:
        raise
    except (requests.RequestException, OSError) as error:
        raise Unreachable(
            where,
            "user",
            type(error).__name__,
            "is the url right, is it up, and reachable from here?",
        ) from error
    except (jenkins.JenkinsException, json.JSONDecodeError, ValueError) as error:
        raise BadAnswer(
            where, "user", "no JSON where JSON is due", "is it a login page?"
        ) from error
    if not isinstance(answer, dict):
        raise BadAnswer(where, "user", "no JSON object")
    return str(answer.get("id") or "of no name")
