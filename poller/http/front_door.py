"""What stands before a server and answers in its place: a login page, a refusal, a redirect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from poller.core.escape import clip
from poller.core.known_secrets import mask

LOOKED_AT = 64 * 1024
"""Bytes of a body in which a page shows what it is."""

LOGIN_HINT = (
    "something before the server wants a login: set headers or client_cert for it, or have it let"
    " the program through (docs/front-doors.md)"
)
REFUSED_HINT = (
    "something before the server refuses us: does it want headers or client_cert"
    " (docs/front-doors.md), or another address to be asked from?"
)
CERTIFICATE_HINT = (
    "set client_cert and client_key (docs/front-doors.md); where they are set: did a CA sign them"
    " that is trusted there, and are they still good?"
)

_LOGIN = re.compile(r"log[ _-]?[io]n|sign[ _-]?[io]n|oauth|openid|saml|\bsso\b", re.IGNORECASE)
_FORM = re.compile(r"<form\b", re.IGNORECASE)
_FIELD = re.compile(r"""\b(type=["']?password|name=["']?saml)""", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,200})", re.IGNORECASE)
_CERTIFICATE = re.compile(r"\b(SSL|client) certificate\b", re.IGNORECASE)


@dataclass(frozen=True)
class DoorPage:
    """A page that is not the server's: what it is, and the cure."""

    saw: str
    hint: str


def login_page(headers: Mapping[str, str], body: bytes) -> DoorPage | None:
    """What a web page is that came in place of the server's answer; None where it shows neither a
    login nor a lack of a certificate. Pure."""
    if not _is_foreign_page(headers, body):
        return None
    text = _text(body)
    if _CERTIFICATE.search(_title(text)):
        return DoorPage(f"a page about certificates{_named(text)}", CERTIFICATE_HINT)
    if _FIELD.search(text) or (_LOGIN.search(text) and _FORM.search(text)):
        return DoorPage(f"a login page{_named(text)}", LOGIN_HINT)
    return None


def door_page(status: int, headers: Mapping[str, str], body: bytes) -> DoorPage | None:
    """The same, and a refusal that is not the server's: Jenkins' own shows whose it is, and an API
    refuses without a page. Pure."""
    if page := login_page(headers, body):
        return page
    named = _named(_text(body))
    if status in (401, 403) and named and _is_foreign_page(headers, body):
        return DoorPage(f"a page of something before it{named}", REFUSED_HINT)
    return None


def redirect_hint(location: str) -> str:
    """What to do about a redirect: to a login, or to anywhere else. Pure."""
    if _LOGIN.search(location.partition("?")[0]):
        return LOGIN_HINT
    return "set the url to the final address, with its context path"


def _is_foreign_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether it is a web page, and neither Jenkins' nor its Jetty's."""
    if "X-Jenkins" in headers or "Jetty" in headers.get("Server", ""):
        return False
    if 'realm="jenkins"' in headers.get("WWW-Authenticate", "").lower():
        return False
    return "html" in headers.get("Content-Type", "").lower() or body.lstrip().startswith(b"<")


def _text(body: bytes) -> str:
    return body[:LOOKED_AT].decode("utf-8", "replace")


def _title(text: str) -> str:
    title = _TITLE.search(text)
    return clip(mask(" ".join(title[1].split())), 80) if title else ""


def _named(text: str) -> str:
    title = _title(text)
    return f" ({title})" if title else ""
