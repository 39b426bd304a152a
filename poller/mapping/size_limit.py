"""A payload never gets refused for its size: steps go first, then stages, then what is left."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from poller.mapping.payload import JobRun, RunStages, encode

LATER = (
    "artifacts", "job_run_params", "trigger_chain", "scm_commit_ids", "themes", "repo_url",
    "web_url", "branch_name", "user_id", "module_name", "project_name",
)  # fmt: skip
"""What goes after the stages, one after the other, until the payload fits. What is left then is a
handful of texts of known length: less than the smallest limit that the config takes."""


def limit_size(run: JobRun, body_limit: int) -> tuple[bytes, str | None]:
    """The encoded run, at most ``body_limit`` characters, and what was left out, if anything.

    The platform limits bodies over 500,000 characters to one in ten seconds.
    """
    body = encode(run)
    left_out: list[str] = []
    for what, shorter in _shorter(run):
        if characters(body) <= body_limit:
            break
        body = encode(shorter)
        left_out.append(what)
    return body, ", ".join(left_out) or None


def _shorter(run: JobRun) -> Iterator[tuple[str, JobRun]]:
    """What to leave out, and the run without it and all before."""
    if run.job_run is not None:
        bare = [msgspec.structs.replace(stage, steps=[]) for stage in run.job_run.stages]
        run = msgspec.structs.replace(run, job_run=RunStages(bare))
        yield "steps", run
        run = msgspec.structs.replace(run, job_run=RunStages([]))
        yield "stages", run
    for field in LATER:
        if getattr(run, field) is not UNSET:
            run = msgspec.structs.replace(run, **{field: UNSET})
            yield field, run


def characters(body: bytes) -> int:
    """Characters of UTF-8 text: every byte but those that go on one."""
    return len(body) if body.isascii() else len(body.decode())
