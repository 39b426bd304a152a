"""What went wrong with a request, as an error of ours, with its cure."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from poller.core.errors import BadAnswer, NotFound, Unauthorized, Unreachable
from poller.core.known_secrets import mask
from poller.http.front_door import CERTIFICATE_HINT, door_page, redirect_hint
from poller.http.retry import retry_after

EXPIRED, NOT_YET, WRONG_NAME, WRONG_ADDRESS = 10, 9, 62, 64
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, _NOT_YET_VALID, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH;
what else goes wrong with a certificate is about who signed it."""


def untrusted(error: ssl.SSLCertVerificationError, ca_file: str | None = None) -> tuple[str, str]:
    """What was seen, and the cure. ``ca_file`` is the one of the config, where known."""
    saw = f"TLS: {error.verify_message.strip().rstrip('.')}"
    match error.verify_code:
        case code if code == EXPIRED:
            return saw, "have the certificate renewed, there; is this machine's clock right?"
        case code if code == NOT_YET:
            return saw, "is this machine's clock right?"
        case code if code in (WRONG_NAME, WRONG_ADDRESS):
            return saw, "put the name that the certificate is for into the url"
    if ca_file:
        return saw, f"is {ca_file} the CA that signed it?"
    return saw, "name the CA that signed it: ca_file = its certificate in PEM form"


def refused_certificate(error: ssl.SSLError) -> tuple[str, str] | None:
    """What was seen, and the cure, where the server wants a client certificate or another one."""
    alert = (error.reason or "").partition("_ALERT_")[2]
    if "CERTIFICATE" in alert or alert in ("UNKNOWN_CA", "HANDSHAKE_FAILURE", "ACCESS_DENIED"):
        return f"TLS: the server refuses us: {alert.replace('_', ' ').lower()}", CERTIFICATE_HINT
    return None


def tls_words(error: ssl.SSLError) -> str:
    """OpenSSL's reason as words: ``wrong version number``."""
    return (error.reason or str(error)).replace("_", " ").lower()


NO_TLS_HINT = "does that port speak https? is a proxy in between that needs proxy = ?"
DNS_HINT = "is the name right, and does this machine's DNS know it?"


TOO_MANY = 429
TRANSIENT = frozenset({408, 425, TOO_MANY})


@dataclass(frozen=True)
class HttpResponse:
    """A whole answer, within its size limit."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def too_large(response: httpx.Response, where: str, what: str, limit: int) -> BadAnswer:
    error = BadAnswer(where, what, f"the answer is larger than {limit} bytes")
    error.status = response.status_code
    return error


def raise_for_status(answer: HttpResponse, where: str, what: str, *, denied_hint: str) -> None:
    """Raise the error that a status other than 2xx means; a 2xx passes."""
    status = answer.status
    if 200 <= status < 300:
        return
    if status < 500 and (page := door_page(status, answer.headers, answer.body)):
        error = BadAnswer(where, what, f"HTTP {status}, {page.saw}", page.hint)
        error.status = status
        raise error
    if status in (401, 403):
        denied = Unauthorized(where, what, f"HTTP {status}", denied_hint)
        denied.status = status
        raise denied
    if status == 404:
        raise NotFound(where, what, "HTTP 404")
    if status in TRANSIENT or status >= 500:
        none = Unreachable(where, what, f"HTTP {status}")
        none.status = status
        none.retry_after = retry_after(answer.headers)
        none.away = status == TOO_MANY
        raise none
    bad = BadAnswer(where, what, f"HTTP {status}")
    if 300 <= status < 400:
        location = mask(answer.headers.get("Location", ""))
        reason = f"HTTP {status} sends us to {place_of(location)}, not followed"
        bad = BadAnswer(where, what, reason, redirect_hint(location))
    bad.status = status
    raise bad


def place_of(location: str) -> str:
    """Scheme and host of a redirect, or its path where it stays on the host."""
    try:
        target = urlsplit(location)
        return f"{target.scheme}://{target.hostname}" if target.hostname else target.path[:200]
    except ValueError:
        return "nowhere"
