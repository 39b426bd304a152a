"""Archived manifests, as SEI's Jenkins plugin reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.mapping.manifest import FILE_NAMES, parse_manifest
from poller.mapping.payload import Artifact
from tests.support.replay import RECORDINGS

ONE = {"type": "container", "location": "registry/app", "name": "app", "qualifier": "1.0"}
APP = Artifact(input=False, output=False, **ONE)
BUILT = Artifact(input=False, output=True, **ONE)
FILE = "sei-artifacts.json"


def encoded(value: Any) -> bytes:
    """As JSON."""
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"artifacts": [{**ONE, "output": True}]}, [BUILT]),
        ({"artifact": {**ONE, "output": True}, "pipeline": "x"}, [BUILT]),
        ({**ONE, "output": True}, [BUILT]),
        ({"artifacts": []}, []),
        ({"artifacts": [ONE, {**ONE, "output": "true"}]}, [APP, BUILT]),
        ({"artifacts": [{**ONE, "input": None, "output": "no"}]}, [APP]),
        ({"artifacts": None, "artifact": ONE}, [APP]),
    ],
)
def test_shapes(body: dict[str, Any], expected: list[Artifact]) -> None:
    """A list, one, or the object itself."""
    assert (tuple(expected), []) == parse_manifest(encoded(body), FILE)


def test_numbers_are_texts() -> None:
    """As they are written: 1.10 is not 1.1."""
    body = b'{"type":"t","location":"l","name":"n","qualifier":1.10,"hash":12,"input":true}'
    ((one,), wrong) = parse_manifest(body, FILE)
    assert wrong == []
    assert (one.qualifier, one.hash, one.input) == ("1.10", "12", True)


def test_hash_and_metadata() -> None:
    """Names and texts; what is deeper as JSON, null left out."""
    metadata = {"a": "x", "n": 1, "t": True, "none": None, "deep": {"b": [1]}}
    ((one,), _) = parse_manifest(encoded({**ONE, "hash": "sha256:ab", "metadata": metadata}), FILE)
    assert one.hash == "sha256:ab"
    assert one.metadata == {"a": "x", "n": "1", "t": "true", "deep": '{"b":[1]}'}


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_encodings(encoding: str) -> None:
    """What PowerShell writes, too."""
    body = json.dumps({**ONE, "name": "Größe"}, ensure_ascii=False).encode(encoding)
    ((one,), wrong) = parse_manifest(body, FILE)
    assert (one.name, wrong) == ("Größe", [])


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        (b"{not json", "not JSON: JSON is malformed: object keys must be strings (byte 1)"),
        (b"", "not JSON: Input data was truncated"),
        (b'{"artifacts": [NaN]}', "not JSON: JSON is malformed: invalid character (byte 15)"),
        (b"\xff\xfe\xff", "not JSON: 'utf-16-le' codec can't decode byte 0xff in position 2: truncated data"),
        (b"<html>login</html>", "not JSON: JSON is malformed: invalid character (byte 0)"),
        (b"[" * 100_000, "the JSON is nested too deeply"),
        (b"null", "null where an object is due"),
        (b"[1]", "an array where an object is due"),
        (b"17", "a number where an object is due"),
        (b'"x"', "a text or number where an object is due"),
        (b"true", "a boolean where an object is due"),
        (b"{}", "lacks type, location, name, qualifier"),
        (encoded({"artifact": {**ONE, "name": " "}}), "artifact lacks name"),
        (encoded({"artifact": {**ONE, "name": None}}), "artifact lacks name"),
        (encoded({"artifact": {**ONE, "name": ["x"]}}), "artifact lacks name"),
        (encoded({"artifacts": ["x"]}), "artifacts[0] is a text or number where an object is due"),
    ],
)  # fmt: skip
def test_what_is_wrong(body: bytes, wrong: str) -> None:
    """Said in a few words."""
    assert ((), [wrong]) == parse_manifest(body, FILE)


def test_what_is_right_beside_what_is_wrong() -> None:
    """Is kept, as the plugin keeps it; of many faults the first are named."""
    found, wrong = parse_manifest(encoded({"artifacts": [{}] * 9 + [ONE]}), FILE)
    assert found == (APP,)
    assert [f"artifacts[{n}] lacks type, location, name, qualifier" for n in range(5)] == wrong[:5]
    assert wrong[5:] == ["and 4 more"]


def test_another_tools_manifest() -> None:
    """A common name, and nothing in it that we know: nothing is wrong."""
    assert parse_manifest(b'{"files": {"main.js": "a.js"}}', FILE_NAMES[0]) == ((), [])
    assert parse_manifest(
        encoded({"artifact": {"type": "container", "name": "x"}}), FILE_NAMES[0]
    ) == (
        (),
        ["artifact lacks location, qualifier"],
    )


@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        ("artifact_ok.json", ["artifacts[0] lacks location, qualifier"]),
        ("artifact_fs.json", ["artifacts[0] lacks type, location, qualifier"]),
        ("artifact_bad.json", ["not JSON: JSON is malformed: object keys must be strings (byte 1)"]),
    ],
)  # fmt: skip
def test_recorded(file: str, wrong: list[str]) -> None:
    """What a real Jenkins gave."""
    assert ((), wrong) == parse_manifest((RECORDINGS / "errors" / file).read_bytes(), FILE)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["artifacts", "artifact", "type", "name", "location", "qualifier", "metadata"]),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(anything | st.binary(max_size=40))
def test_whatever_is_archived(value: Any) -> None:
    """Never an error; what is found has all that is needed."""
    found, _ = parse_manifest(value if isinstance(value, bytes) else encoded(value), FILE)
    assert all(one.type and one.location and one.name and one.qualifier for one in found)
