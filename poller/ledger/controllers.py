"""Controllers in the ledger: where each begins, who answers there, and how its polls went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from poller.ledger.file import LedgerFile


@dataclass(frozen=True)
class ControllerRow:
    """A controller as the ledger knows it. ``depth`` is None before the first item tree.

    ``jobs`` is how many the last trusted item tree showed; ``session`` and ``identity`` are of the
    Jenkins that answered it; ``shrunk_at`` is since when most of its jobs are missing;
    ``last_success`` is when Jenkins last answered a poll, ``poll_began`` when that poll began,
    ``self_checked_at`` when jobs were last compared, ``newest_checked_at`` when the newest builds
    of all of them were.
    """

    id: int
    since: int
    depth: int | None
    jobs: int = 0
    session: str | None = None
    identity: str | None = None
    shrunk_at: int | None = None
    last_success: int | None = None
    poll_began: int | None = None
    self_checked_at: int | None = None
    newest_checked_at: int | None = None


@dataclass(frozen=True)
class AnsweredPoll:
    """What a poll saw: levels of folders, jobs; ``error`` is what went wrong in parts of it;
    ``began`` (epoch ms) when it did; ``shrunk_at`` since when most jobs are missing."""

    depth: int
    jobs: int
    error: str | None
    began: int
    shrunk_at: int | None = None


class Controllers:
    """The table ``controller``."""

    def __init__(self, file: LedgerFile) -> None:
        self._file = file

    def get(self, name: str, since: int) -> ControllerRow:
        """The controller's row, made with ``since`` when it is new: its first poll fixes that."""
        found = self.find(name)
        if found is None:
            with self._file.write("note a controller") as conn:
                conn.execute(
                    "insert into controller (name, since) values (?, ?) on conflict do nothing",
                    (name, since),
                )
            found = self.find(name)
        assert found is not None  # noqa: S101 - just inserted
        return found

    def find(self, name: str) -> ControllerRow | None:
        """The controller's row, None when it was never polled."""
        with self._file.guarded("read a controller"):
            row = self._file.conn.execute(
                "select id, since, depth, jobs, session, identity, shrunk_at, last_success,"
                " poll_began, self_checked_at, newest_checked_at from controller where name = ?",
                (name,),
            ).fetchone()
        return None if row is None else ControllerRow(*row)

    def recognised(self, controller: int, session: str | None, identity: str | None) -> None:
        """Note which Jenkins answers there."""
        with self._file.write("note who answers") as conn:
            conn.execute(
                "update controller set session = ?, identity = coalesce(?, identity) where id = ?",
                (session, identity, controller),
            )

    def polled(self, controller: int, at: int, poll: AnsweredPoll) -> None:
        """Note a poll that Jenkins answered. While most jobs are missing, ``jobs`` stays what it
        was."""
        with self._file.write("note a poll") as conn:
            conn.execute(
                "update controller set depth = ?1, jobs = iif(?2 is null, ?3, jobs),"
                " shrunk_at = ?2, last_poll = ?4, last_success = ?4, last_error = ?5,"
                " poll_began = ?7 where id = ?6",
                (poll.depth, poll.shrunk_at, poll.jobs, at, poll.error, controller, poll.began),
            )

    def poll_failed(self, controller: int, at: int, error: str) -> None:
        """Note a poll that failed as a whole."""
        with self._file.write("note a poll") as conn:
            conn.execute(
                "update controller set last_poll = ?, last_error = ? where id = ?",
                (at, error, controller),
            )

    def self_checked(self, controller: int, at: int) -> None:
        """Note that some of its jobs were compared."""
        with self._file.write("note a self-check") as conn:
            conn.execute("update controller set self_checked_at = ? where id = ?", (at, controller))

    def newest_checked(self, controller: int, at: int) -> None:
        """Note that the newest builds of all its jobs were looked at."""
        with self._file.write("note a self-check") as conn:
            conn.execute(
                "update controller set newest_checked_at = ? where id = ?", (at, controller)
            )

    def all(self) -> list[dict[str, Any]]:
        """Name, jobs, last poll, success and error of each controller, and its tallies as
        ``{(sink, state): count}``; the sink is empty for the builds themselves."""
        tallies: dict[int, dict[tuple[str, str], int]] = {}
        for row in self._file.rows("select controller, sink, state, count from tally"):
            tallies.setdefault(row["controller"], {})[row["sink"], row["state"]] = row["count"]
        return [
            {**row, "tally": tallies.get(row.pop("id"), {})}
            for row in self._file.rows(
                "select id, name, jobs, last_poll, last_success, last_error, (select problem from"
                " instance where controller = name) as guid_problem from controller order by id"
            )
        ]

    def instances(self) -> dict[str, dict[str, Any]]:
        """What SEI said of each controller's instance GUID, by the controller's name."""
        return {row["controller"]: row for row in self._file.rows("select * from instance")}

    def note_instance(
        self, name: str, guid: str, at: int, *, known: bool, problem: str | None, waits: bool
    ) -> None:
        """Note whether SEI knows a controller's GUID, and whether its runs wait where not."""
        with self._file.write("note a GUID") as conn:
            conn.execute(
                "insert or replace into instance values"
                " (?1, ?2, ?3, ?4, ?5, ?5 is not null and ?6)",
                (name, guid, at, known, problem, waits),
            )

    def gaps(self) -> dict[str, int]:
        """By controller, how many numbers no build had when they were passed: a walk over all
        jobs."""
        with self._file.guarded("read jobs"):
            return dict(
                self._file.conn.execute(
                    "select c.name, sum(j.gaps) from job j join controller c on c.id = j.controller"
                    " group by c.id"
                )
            )
