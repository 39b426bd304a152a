"""What a receiver's answer means for the run that it was sent. Pure.

Harness documents no body of SEI's yes. So a 2xx is one unless it says otherwise: a web page, an
error in JSON, JSON that is cut off, what a proxy made. Only a receiver that answers with JSON is
known to speak it: from then on, other text is somebody else's.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from poller.core.escape import clip
from poller.core.known_secrets import mask
from poller.delivery.sink import Receipt
from poller.http.errors import place_of
from poller.http.front_door import login_page, redirect_hint

OF_THE_RUN = frozenset({400, 409, 413, 415, 422})
"""Statuses that say something of the run. All others speak of the way, and may pass."""

OF_ALL = frozenset({401})
"""Statuses that say something of all runs: the key is refused."""

TEMPORARY = frozenset({408, 425, 429})
"""Statuses below 500 that say that it is tried again."""

MADE_ON_THE_WAY = {203: "changed by a proxy", 206: "only a part of an answer"}
LONGEST_WORDS = 300
LOOKED_AT = 4_000
"""Characters of a body in which a web page shows itself."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_PAGE = re.compile(r"^\s*<|<\s*(!doctype|html|head|body|title|script|meta)\b", re.IGNORECASE)
_BEGINS_LIKE_JSON = re.compile(r'\{|"|\[\s*([\[{"\d-]|true\b|false\b|null\b|$)')
_ERROR_KEY = re.compile(r"(is|has)?error|(exception|fault)s?$")
_BAD_STATES = frozenset({"error", "failure", "failed", "fail", "rejected"})
_NO = (False, "false")
_NOTHING = ("false", "none", "null", "0", "ok", "success")


class ResponseKind(Enum):
    """What an answer means for a job run."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    RETRY = "retry"


@dataclass(frozen=True)
class Meaning:
    """``why`` says what came instead of a delivery, and ``hint`` what may be wrong. ``json``: it is
    JSON with data."""

    kind: ResponseKind
    why: str
    hint: str = ""
    json: bool = False


def meaning_of(receipt: Receipt, *, knows_json: bool) -> Meaning:
    """What an answer means; ``knows_json``: this receiver has answered with JSON before."""
    status, text = receipt.status, decoded(receipt.body)
    if page := login_page({"Content-Type": receipt.content_type}, receipt.body):
        return Meaning(ResponseKind.RETRY, f"HTTP {status}, {page.saw}", page.hint)
    if 200 <= status < 300:
        value = _json(text) if text else None
        why = _no_yes(receipt, text, value, knows_json=knows_json)
        if why:
            hint = "is the address right, and is there a proxy on the way?"
            return Meaning(ResponseKind.RETRY, f"HTTP {status}, {why}: {words(text)}", hint)
        return Meaning(ResponseKind.DELIVERED, "", json=isinstance(value, dict | list))
    seen = seen_of(receipt)
    if status in OF_THE_RUN or receipt.of_the_run:
        return Meaning(ResponseKind.REJECTED, seen)
    if status in TEMPORARY or status >= 500:
        return Meaning(ResponseKind.RETRY, seen)
    if 300 <= status < 400 and receipt.location:
        place = f"{receipt.address or 'there'} sends us to {place_of(mask(receipt.location))}"
        why = f"HTTP {status} from {place}, not followed"
        return Meaning(ResponseKind.RETRY, why, receipt.hint or redirect_hint(receipt.location))
    if status in (401, 403):
        hint = receipt.hint or "is the API key right, and the environment or base_url?"
        return Meaning(ResponseKind.RETRY, seen, hint)
    place = f"HTTP {status} from {receipt.address or 'there'}"
    hint = receipt.hint or "is the address right, and what answers there?"
    return Meaning(ResponseKind.RETRY, seen.replace(f"HTTP {status}", place, 1), hint)


def seen_of(receipt: Receipt) -> str:
    """An answer in words: its status, and how its body begins."""
    text = decoded(receipt.body)
    return f"HTTP {receipt.status}" + (f": {words(text)}" if text.strip() else "")


def _no_yes(receipt: Receipt, text: str, value: Any, *, knows_json: bool) -> str:
    """Why a 2xx is no delivery; empty where it is one."""
    if receipt.status in MADE_ON_THE_WAY:
        return MADE_ON_THE_WAY[receipt.status]
    if "html" in receipt.content_type.lower():
        return "a web page"
    if not text.strip() or value is None:
        return ""
    if isinstance(value, dict | list):
        return "an error" if names_error(value) else ""
    if value is NO_JSON and _PAGE.search(text[:LOOKED_AT]):
        return "a web page"
    if value is NO_JSON and (_BEGINS_LIKE_JSON.match(text.strip()) or _is_json(receipt)):
        return "JSON that is cut off"
    return "no JSON, as before" if knows_json else ""


NO_JSON = object()


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return NO_JSON


def _is_json(receipt: Receipt) -> bool:
    return "json" in receipt.content_type.lower()


def is_yes(body: bytes) -> bool:
    """Whether a body is JSON with data that names no error."""
    value = _json(decoded(body))
    return isinstance(value, dict | list) and not names_error(value)


def names_error(value: Any) -> bool:
    """Whether decoded JSON says that something went wrong."""
    if isinstance(value, list):
        return any(names_error(one) for one in value if isinstance(one, dict))
    inner = value.get("payload")  # SEI's generic requests answer with JSON in JSON
    inner = _json(inner) if isinstance(inner, str) else inner
    return _names_error(value) or (isinstance(inner, dict) and _names_error(inner))


def _names_error(value: dict[Any, Any]) -> bool:
    found = {str(key).lower().replace("_", ""): one for key, one in value.items()}
    if any(_is_said(one) for key, one in found.items() if _ERROR_KEY.match(key)):
        return True
    if any(found.get(key, True) in _NO for key in ("success", "ok")):
        return True
    states = [found.get(key) for key in ("status", "state", "statuscode", "code")]
    return any(_is_bad(state) for state in states)


def _is_said(value: Any) -> bool:
    return bool(value) and str(value).lower() not in _NOTHING


def _is_bad(state: Any) -> bool:
    if isinstance(state, str):
        if state.lower() in _BAD_STATES:
            return True
        state = int(state) if state.isascii() and state.isdecimal() and len(state) == 3 else 0
    return isinstance(state, int) and 400 <= state <= 599


def decoded(body: bytes) -> str:
    """A body as text, whatever encoding it is in."""
    for bom, encoding in _BOMS:
        if body.startswith(bom):
            return body[len(bom) :].decode(encoding, "replace")
    if b"\0" in body[:4]:  # UTF-16 or 32 without its mark
        body = body.replace(b"\0", b"") or body
    return body.decode("utf-8", "replace")


def words_of(body: bytes) -> str:
    """The beginning of a body, on one line, masked."""
    return words(decoded(body))


def words(text: str) -> str:
    """The beginning of an answer, on one line, masked."""
    return clip(mask(" ".join(text[: 4 * LONGEST_WORDS].split())), LONGEST_WORDS) or "no words"
