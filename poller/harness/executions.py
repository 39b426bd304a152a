"""IaCM's executions, page by page, whichever way the server numbers its pages."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping

from poller.errors import BadAnswer, RemoteError
from poller.harness.api import PAGE_LIMIT, WHERE, Api, Execution, Page

NO_SUCH_PAGE = (400, 404, 412, 416, 422, 500)
"""What a server that counts its pages from 1 may answer to page 0; 500 where it counts on blindly.
The documentation shows ``page=1`` in a request and ``X-Page-Number : 0`` in an answer."""


MOST_AGAIN = 5
"""Pages in a row with nothing new, after which the server does not turn them: a list may grow by
whole pages while it is read, but not so fast."""


async def executions(
    api: Api, filters: Mapping[str, str], limit: int | None = None
) -> AsyncIterator[Execution]:
    """Those that the filters leave, in the server's order, at most ``limit``; the next page is
    asked for when it is needed.

    Page 0 is asked for first. A server that counts from 1 refuses it, has nothing there, or gives
    its first page. What has been given already is not given again, so neither the two ways to count
    nor a list that grows meanwhile double anything; the end is where the answer's own headers have
    it. Raises RemoteError.
    """
    seen: set[tuple[str, str]] = set()
    size = PAGE_LIMIT if limit is None else max(1, min(limit, PAGE_LIMIT))
    refused: RemoteError | None = None
    total: int | None = None
    again = 0
    for number in itertools.count():
        try:
            page = await api.page(filters, size, number)
        except RemoteError as error:
            if number > 0 or error.status not in NO_SUCH_PAGE:
                raise
            refused = error
            continue
        if page.number == 0:
            refused = None  # it says itself that this is the first
        total = page.total if total is None else total
        before = len(seen)
        for execution in page.executions:
            key = (execution.pipeline_execution_id, execution.pipeline_stage_id)
            if key not in seen:
                seen.add(key)
                yield execution
                if len(seen) == limit:
                    return
        again = 0 if len(seen) > before else again + 1
        if is_last(page, number, len(seen)):
            break
        if again == MOST_AGAIN:
            raise BadAnswer(WHERE, f"executions, page {number}", "the same ones as before")
    if refused is not None and total is not None and len(seen) < total:
        raise refused  # the page is there after all, and could not be had


def is_last(page: Page, number: int, seen: int) -> bool:
    """Whether nothing can follow a page that was asked for as ``number``. Pure.

    ``X-Total-Elements`` tells; without it, a page that is not full (``X-Page-Size``), or empty.
    """
    if page.total is not None and seen >= page.total:
        return True
    if number == 0:
        return False
    if page.total is None and page.size is not None:
        return len(page.executions) < page.size
    return not page.executions
