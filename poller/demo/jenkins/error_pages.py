"""The answers of Jenkins and of its Jetty that are no export: error pages, and the headers."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import quote

from poller.demo.faults import Answer, Request

SESSION = "23f52fff"
ARCHIVED_AT = "Tue, 24 Nov 2026 04:00:53 GMT"
JETTY = {"X-Content-Type-Options": "nosniff", "Server": "Jetty(10.0.20)"}
JETTY_HTML = "text/html;charset=iso-8859-1"
HTML = "text/html;charset=utf-8"
JSON = "application/json;charset=utf-8"


def jenkins_headers(version: str) -> dict[str, str]:
    """What an answer of Jenkins itself carries; Jetty's own pages and wfapi's answers don't."""
    return JETTY | {"X-Jenkins": version, "X-Jenkins-Session": SESSION}


def jetty_page(request: Request, status: int, message: str, *, filtered: bool = False) -> Answer:
    """Jetty's page for ``status``; ``filtered`` says that Jenkins' own filters have seen it."""
    rows = (("URI", request.path), ("STATUS", status), ("MESSAGE", message), ("SERVLET", "Stapler"))
    table = "\n".join(
        f"<tr><th>{name}:</th><td>{escape(str(value))}</td></tr>" for name, value in rows
    )
    body = (
        "<html>\n<head>\n"
        '<meta http-equiv="Content-Type" content="text/html;charset=ISO-8859-1"/>\n'
        f"<title>Error {status} {escape(message)}</title>\n</head>\n"
        f"<body><h2>HTTP ERROR {status} {escape(message)}</h2>\n<table>\n{table}\n</table>\n"
        '<hr/><a href="https://eclipse.org/jetty">Powered by Jetty:// 10.0.20</a><hr/>\n\n'
        "</body>\n</html>\n"
    )
    headers = {"Content-Type": JETTY_HTML, "Cache-Control": "must-revalidate,no-cache,no-store"}
    # A request refused before Jenkins' own filters has none of their headers.
    common = JETTY if filtered else {"Server": JETTY["Server"]}
    return Answer(status, body.encode("latin-1", "replace"), common | headers)


def unauthorized(request: Request) -> Answer:
    """401: user or token is wrong."""
    page = jetty_page(request, 401, "Unauthorized", filtered=True)
    headers = dict(page.headers) | {"WWW-Authenticate": 'Basic realm="Jenkins"'}
    return Answer(401, page.body, headers)


def login_page(request: Request, version: str) -> Answer:
    """403 for those who did not log in: a page that leads to /login."""
    path = request.path + (f"?{request.query}" if request.query else "")
    url = f"/login?from={quote(path, safe='')}"
    body = (
        f"<html><head><meta http-equiv='refresh' content='1;url={url}'/>"
        f"<script id='redirect' data-redirect-url='{url}'"
        f" src='/static/{SESSION}/scripts/redirect.js'></script></head>"
        "<body style='background-color:white; color:white;'>\nAuthentication required\n"
        "<!--\n-->\n\n</body></html>" + " " * 300
    )
    headers = {
        "Content-Type": HTML,
        "X-Hudson": "1.395",
        "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
    }
    return Answer(403, body.encode(), jenkins_headers(version) | headers)


def not_found() -> Answer:
    """404."""
    body = (
        "<html><head><meta http-equiv='refresh' content='1;url=..'/></head>"
        "<body style='background-color:white; color:white;'>\nNot found\n</body></html>"
    )
    return Answer(404, body.encode(), JETTY | {"Content-Type": HTML})


def access_denied(user: str, permission: str, version: str) -> Answer:
    """403 for a user without the permission."""
    text = f"Access Denied: {user} is missing the {permission} permission"
    return _page(403, text, version)


def malformed(version: str, error: str) -> Answer:
    """500 for a malformed ``tree=``, or anything else that Jenkins trips over."""
    return _page(500, f"A problem occurred while processing the request. {error}", version)


def error_page(text: str, version: str) -> Answer:
    """200: a page for a browser."""
    return _page(200, text, version)


def _page(status: int, text: str, version: str) -> Answer:
    head = "<!DOCTYPE html><html><head><title>Jenkins</title></head>"
    body = f"{head}<body><h1>{escape(text)}</h1></body></html>"
    return Answer(status, body.encode(), jenkins_headers(version) | {"Content-Type": HTML})


def redirect(url: str, version: str) -> Answer:
    """302 to the same path with a slash at its end."""
    return Answer(302, b"", jenkins_headers(version) | {"Location": url})


def too_long() -> Answer:
    """414: Jetty does not even read it."""
    body = b"<h1>Bad Message 414</h1><pre>reason: URI Too Long</pre>"
    return Answer(414, body, {"Content-Type": JETTY_HTML, "Server": "Jetty(10.0.20)"})


def archived_file(archived: Mapping[str, bytes], path: Sequence[str]) -> Answer:
    """A file of a build's archive, its type by its name; 404 where there is none."""
    body = archived.get("/".join(path))
    if body is None:
        return not_found()
    kind = mimetypes.guess_type(path[-1])[0] or "application/octet-stream"
    dates = {"Last-Modified": ARCHIVED_AT, "Expires": ARCHIVED_AT}
    return Answer(200, body, JETTY | {"Content-Type": kind} | dates)
