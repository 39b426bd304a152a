"""A payload never gets refused for its size: steps go first, then stages."""

from __future__ import annotations

import msgspec

from poller.sei.payload import JobRun, StageTree, encode


def fit(run: JobRun, body_limit: int) -> tuple[bytes, str | None]:
    """The encoded run, at most ``body_limit`` characters, and what was left out, if anything.

    The platform limits bodies over 500,000 characters to one in ten seconds.
    """
    body = encode(run)
    if characters(body) <= body_limit or run.job_run is None:
        return body, None
    bare = [msgspec.structs.replace(stage, steps=[]) for stage in run.job_run.stages]
    shorter = encode(msgspec.structs.replace(run, job_run=StageTree(bare)))
    if characters(shorter) <= body_limit:
        return shorter, "steps"
    return encode(msgspec.structs.replace(run, job_run=StageTree([]))), "stages and steps"


def characters(body: bytes) -> int:
    """Characters of UTF-8 text: every byte but those that go on one."""
    return len(body) if body.isascii() else len(body.decode())
