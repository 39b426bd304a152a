"""What a user asks for → the API's own filters. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from poller.core.errors import UsageError
from poller.core.times import parse_when


def filters(
    now: int,
    *,
    workspace: str | None = None,
    pipeline: str | None = None,
    execution: str | None = None,
    status: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
) -> dict[str, str]:
    """The query of ``GET …/executions``; times are WHEN here and epoch milliseconds there.

    Raises UsageError for a time that is none, or an end before the begin.
    """
    start, end = _moment(since, "--since", now), _moment(until, "--until", now)
    if start is not None and end is not None and start >= end:
        raise UsageError("--since is not before --until")
    given = {
        "workspace": workspace,
        "pipeline_execution_id": execution,
        "status": ",".join(status) or None,
        "pipeline_name": pipeline,
        "start_time": start,
        "end_time": end,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _moment(text: str | None, option: str, now: int) -> int | None:
    if text is None:
        return None
    try:
        return parse_when(text, now)
    except ValueError as error:
        raise UsageError(f"{option} {text}: {error}") from None
