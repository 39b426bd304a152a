"""The summaries of a stream are those of the whole, wherever it is cut and whatever else is in it."""

from __future__ import annotations

import json
from typing import Any

import ijson
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from poller.jenkins.history import Summary, _Reader

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
BUILD = st.fixed_dictionaries(
    {"number": st.integers(1, 2**31 - 1)},
    optional={
        "timestamp": st.integers(0, 2**42),
        "queueId": st.none() | st.integers(-1, 2**40),
        "result": st.none() | st.text(max_size=10),
        "inProgress": st.none() | st.booleans(),
        "actions": ANYTHING,
        "builds": ANYTHING,
    },
)


class _Whole(msgspec.Struct):
    builds: list[Summary] = []


@given(
    st.lists(BUILD, max_size=6),
    st.dictionaries(st.text(max_size=4), ANYTHING, max_size=3),
    st.integers(1, 50),
    st.booleans(),
)
def test_the_same_as_of_the_whole(
    builds: list[dict[str, Any]], others: dict[str, Any], size: int, first: bool
) -> None:
    """Objects and lists within a build, and beside the list, are passed over."""
    others.pop("builds", None)
    root = {"builds": builds, **others} if first else {**others, "builds": builds}
    body = json.dumps(root).encode()
    events = ijson.sendable_list()
    parser, reader = ijson.basic_parse_coro(events, use_float=True), _Reader("builds")
    found: list[Summary] = []
    for at in range(0, len(body), size):
        parser.send(body[at : at + size])
        found += reader.builds(events)
        del events[:]
    parser.close()
    found += reader.builds(events)
    assert found == msgspec.json.decode(body, type=_Whole).builds
