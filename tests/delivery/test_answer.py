"""What an answer means: a delivery only if it says so."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.delivery.answer import ResponseKind, decoded, meaning_of
from poller.delivery.sink import Receipt

JSON, TEXT = "application/json", "text/plain"
PAGE = "<html>log in</html>"

YES = [
    b"", b" \n", b"{}", b"[]", b"null", b'{"status":"ok"}', b'{"status":"SUCCESS","data":null}',
    b'{"errors":[],"error":null,"success":true,"code":200}', b'{"message":"<html> is fine here"}',
    b'{"payload":"{\\"run_ids\\":[\\"1\\"],\\"error\\":null}"}', b'{"payload":"{"}',
    b'{"payload":"error"}', b'{"result":"FAILURE","state":"done"}', b'[{"id":1}]', "\ufeff{}".encode(),
    b'{"errorCount":0,"isError":false,"hasErrors":"false","errorMessage":"","faultless":true}', b'{"errorCode":"0"}',
]  # fmt: skip
NO = [
    b'{"status":"ERROR","code":"INTERNAL"}', b'{"Status":"failure"}', b'{"status":500}',
    b'{"statusCode":"503"}', b'{"status_code":404}', b'{"errors":[{"message":"no integration"}]}',
    b'{"error":"try later"}', b'{"exception":"x"}', b'{"success":false}', b'{"ok":"false"}',
    b'[{"id":1},{"error":"x"}]', b'{"status":', b'{"a":1', b"[1,", b'"cut', PAGE.encode(),
    b"\xef\xbb\xbf<!doctype html><title>log in", PAGE.encode("utf-16"), PAGE.encode("utf-16-le"),
    PAGE.encode("utf-32"), b"/* x */ <HTML>log in", b"<?xml version='1.0'?>", b"  <a>",
    b"[" * 5_000, b'{"response_type":"X","payload":"{\\"run_ids\\":[],\\"error\\":\\"no instance\\"}"}',
    b'{"payload":{"error":"x"}}', b'{"errorMessage":"x"}', b'{"error_code":7}', b'{"hasErrors":true}',
]  # fmt: skip
OTHER = [b"OK", b"Request blocked by policy 4711", b'"Unauthorized"', b"17", b"true", b"\0\1\2"]


@pytest.mark.parametrize("body", YES)
@pytest.mark.parametrize("knows_json", [False, True])
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_a_yes(status: int, body: bytes, knows_json: bool) -> None:
    """Nothing, or JSON that names no error."""
    meaning = meaning_of(Receipt(status, body, content_type=JSON), knows_json=knows_json)
    assert meaning.kind is ResponseKind.DELIVERED


@pytest.mark.parametrize("body", NO)
@pytest.mark.parametrize("content_type", [JSON, TEXT, ""])
@pytest.mark.parametrize("knows_json", [False, True])
def test_no_yes(body: bytes, content_type: str, knows_json: bool) -> None:
    """Pages in any encoding, errors in JSON, JSON that is cut off; the words are shown."""
    meaning = meaning_of(Receipt(200, body, content_type=content_type), knows_json=knows_json)
    assert meaning.kind is ResponseKind.RETRY
    assert meaning.hint


@pytest.mark.parametrize("body", OTHER)
def test_other_text_is_a_yes_only_of_a_receiver_that_speaks_no_json(body: bytes) -> None:
    """As what SEI's yes looks like is not documented."""
    for knows_json, kind in ((False, ResponseKind.DELIVERED), (True, ResponseKind.RETRY)):
        assert meaning_of(Receipt(200, body), knows_json=knows_json).kind is kind
    assert meaning_of(Receipt(200, body, content_type="text/html"), knows_json=False).kind is (
        ResponseKind.RETRY
    )


@given(
    st.integers(100, 599),
    st.sampled_from([*YES, *NO, *OTHER]) | st.binary(max_size=60) | st.text().map(str.encode),
    st.sampled_from([JSON, TEXT, "text/html", ""]),
    st.booleans(),
)
def test_any_answer(status: int, body: bytes, content_type: str, knows_json: bool) -> None:
    """Delivered only with a 2xx; refused only where the status speaks of the run; all else is tried
    again, and says the status."""
    meaning = meaning_of(Receipt(status, body, content_type=content_type), knows_json=knows_json)
    assert (f"HTTP {status}" in meaning.why) is (meaning.kind is not ResponseKind.DELIVERED)
    if status in (400, 409, 413, 415, 422):
        assert meaning.kind is ResponseKind.REJECTED
    elif not 200 <= status < 300 or status in (203, 206):
        assert meaning.kind is ResponseKind.RETRY
    else:
        assert meaning.kind is not ResponseKind.REJECTED
        if meaning.kind is ResponseKind.DELIVERED and knows_json and body.strip():
            assert isinstance(json.loads(decoded(body)), dict | list | None)


def test_words_name_the_address() -> None:
    """An ingress in SEI's place says 404 for it."""
    answer = Receipt(404, b"default backend - 404", address="https://sei.example/api")
    meaning = meaning_of(answer, knows_json=True)
    assert "HTTP 404 from https://sei.example/api: default backend - 404" in meaning.why
