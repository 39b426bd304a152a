"""Who Jenkins takes us for, asked through python-jenkins."""

from __future__ import annotations

import contextlib
import io
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

import jenkins
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import DecodeError, HTTPError
from urllib3.exceptions import TimeoutError as TimedOut

from poller.core.errors import BadAnswer, Unreachable
from poller.http.client import USER_AGENT, Connection, reason_of
from poller.http.errors import HttpResponse, raise_for_status
from poller.http.front_door import login_page
from poller.jenkins.client import DENIED, FACTS_LIMIT

WHAT = "user"


class _Trust(HTTPAdapter):
    """Believes the CAs of the config or the machine; requests would add a bundle of its own."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__()

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        """Of each connection, through a proxy, too."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        return host, {**pool, "ssl_context": self._context}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Left to the context."""


class _Server(jenkins.Jenkins):  # type: ignore[misc]
    """python-jenkins without redirects, ``~/.netrc`` or variables; answers of bounded size."""

    def __init__(self, where: str, connection: Connection, user: str, token: str) -> None:
        seconds = connection.timeout / 1000
        super().__init__(connection.url, user, token, timeout=seconds)
        self.crumb = False  # only a POST needs one
        scheme = urlsplit(connection.url).scheme
        proxy = connection.proxy
        self._where = where
        self._deadline = time.monotonic() + seconds
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": USER_AGENT, **connection.headers})
        self._session.proxies = {scheme: proxy} if proxy else {}
        self._session.hooks["response"] = [self._take]
        self._session.mount(f"{scheme}://", _Trust(connection.ssl_context))

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _take(self, response: requests.Response, **_: Any) -> None:
        """Read it, before requests does so without limits or follows it. Raises RemoteError."""
        body, good = b"", 200 <= response.status_code < 300
        with response:
            while part := response.raw.read1(FACTS_LIMIT, decode_content=True):
                body += part
                if len(body) > FACTS_LIMIT and not good:
                    break
                if len(body) > FACTS_LIMIT:
                    saw = f"the answer is larger than {FACTS_LIMIT} bytes"
                    raise BadAnswer(self._where, WHAT, saw)
                if time.monotonic() > self._deadline:
                    raise requests.Timeout
        answer = HttpResponse(response.status_code, response.headers, body)
        raise_for_status(answer, self._where, WHAT, denied_hint=DENIED)
        if page := login_page(answer.headers, body):
            raise BadAnswer(self._where, WHAT, f"{page.saw} where JSON is due", page.hint)
        response.raw, response.encoding = io.BytesIO(body), "utf-8"


def whoami(where: str, connection: Connection, user: str, token: str) -> str:
    """The id of our user, of ``me/api/json``; blocks. Raises RemoteError, also for anonymous."""
    try:
        with contextlib.closing(_Server(where, connection, user, token)) as server:
            answer = server.get_whoami()
    except (jenkins.TimeoutException, TimedOut) as error:
        saw = f"no answer in {connection.timeout / 1000:g} s"
        raise Unreachable(where, WHAT, saw, "is it up, and reachable from here?") from error
    except (jenkins.JenkinsException, DecodeError, ValueError, RecursionError) as error:
        raise BadAnswer(where, WHAT, "no JSON where JSON is due", "is it a login page?") from error
    except (requests.RequestException, HTTPError) as error:
        raise Unreachable(where, WHAT, *reason_of(_inner(error))) from error
    if not isinstance(answer, dict):
        raise BadAnswer(where, WHAT, "no JSON object")
    return str(answer.get("id") or "of no name")


def _inner(error: Exception) -> Exception:
    """What requests and urllib3 wrapped."""
    while True:
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        if not isinstance(inner, Exception):
            return error
        error = inner
