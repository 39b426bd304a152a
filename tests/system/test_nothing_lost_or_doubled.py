"""SEI has what Jenkins has, whatever happens to either and to us: no build missed, none doubled."""

from __future__ import annotations

import gc
import json
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from poller.demo.faults import Answer
from poller.demo.jenkins.builds import ABOUT_TO_END, BEGUN, NOT_BEGUN, Build
from poller.demo.jenkins.items import Jenkins, Job
from poller.demo.sei import Sei, form_parts
from poller.polling.cycle import PollResult
from poller.polling.reconciliation import Difference
from tests.support.accounting import Program, Stage, record_of
from tests.support.campaign import sizes
from tests.support.jenkins_restore import Backup, backup, replica, restart, restore
from tests.support.odd_answers import (
    AnswersOf,
    answer_empty,
    answer_too_large,
    change_next,
    refuse_pages_with,
    with_wrong_type,
)
from tests.support.site import GUID

# A crash leaves sockets behind, as crashes do.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NAMES = ("app", "web", "team/app", "team/web", "deep/er/app")
KINDS = ("pipeline", "freestyle")
RESULTS = ("SUCCESS", "FAILURE", "UNSTABLE", "ABORTED")
MINUTE = 60_000
LOOKS = 16
"""Polls within which all is to be at SEI, each of which finds what waits due: two reasons after one
another to look at a build again, five looks each, and some for what a restart brings."""

LIMIT = 1 << 20
KEYS = (
    "number",
    "timestamp",
    "duration",
    "result",
    "building",
    "nextBuildNumber",
    "actions",
    "name",
)
NO_SUCCESS = (
    (503, "Service Unavailable"),
    (404, "default backend - 404"),
    (200, '{"status": "ERROR"}'),
    (200, "<html>log in</html>"),
    (206, "{}"),
)
"""What comes instead of a success, of SEI or of an ingress before it."""

ADDRESSES = ("/api/json*", "/job/*", "*/wfapi/*", "/computer/*")
STAGE = Stage()

pick = st.integers(0, 1_000)


@pytest.fixture(scope="module", autouse=True)
def stage() -> Iterator[Stage]:
    """Both servers, for all plays."""
    with STAGE:
        yield STAGE
    with warnings.catch_warnings(action="ignore"):
        gc.collect()


class Choosy(Sei):
    """It never takes the runs of ``sick``, by their uid; ``refused`` are those that it got. While
    it is ``slow`` it takes none before the connection breaks off; those are ``on_the_way``."""

    def __init__(self, guids: set[str]) -> None:
        super().__init__(guids=guids)
        self.sick: set[str] = set()
        self.refused: set[str] = set()
        self.slow = False
        self.on_the_way: list[Callable[[], Answer]] = []

    def _take(self, body: bytes) -> Answer:
        which = uid(json.loads(body))
        if which not in self.sick:
            return self._soon_or_late(partial(super()._take, body))
        self.refused.add(which)
        return Answer(500, b"{}", {"Content-Type": "application/json"})

    def _soon_or_late(self, take: Callable[[], Answer]) -> Answer:
        if not self.slow:
            return take()
        self.on_the_way.append(take)
        return Answer(None, break_off=True)

    def _take_form(self, content_type: str, body: bytes) -> Answer:
        request = json.loads(form_parts(content_type, body)["json"])
        if uid(json.loads(request["payload"])) not in self.sick:
            return self._soon_or_late(partial(super()._take_form, content_type, body))
        return Answer(500, b"{}", {"Content-Type": "application/json"})


class NothingLostOrDoubled(RuleBasedStateMachine):
    """Jenkins lives; the program polls, delivers and crashes; SEI is compared with Jenkins.

    What a crash leaves behind is not the same each time: no precondition goes by what SEI has."""

    program_class = Program

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.time = 1_690_000_000_000
        self.jenkins = STAGE.jenkins = Jenkins(clock=lambda: self.time)
        self.sei = STAGE.sei = Choosy(guids={GUID})
        self.program = self.program_class(STAGE, Path(self.directory.name))
        self.saved: Backup | None = None
        self.unlinked: set[str] = set()
        """Builds of jobs that a restore brought back without any build that was sent before."""
        self.polls: list[Backup] = []
        self.poisoned: list[str] = []
        self.bad_pages: list[tuple[str, int]] = []
        self.built = 0
        self.may_double = False

    # -- Jenkins

    @initialize(name=st.sampled_from(NAMES), kind=st.sampled_from(KINDS), count=st.integers(1, 4))
    def first_builds(self, name: str, kind: str, count: int) -> None:
        """Every play has something to send, and has sent it."""
        for _ in range(count):
            self._build(name, kind, "SUCCESS")
        self.program.poll()
        self.program.deliver()

    @rule(
        name=st.sampled_from(NAMES),
        kind=st.sampled_from(KINDS),
        result=st.sampled_from(RESULTS),
        poll=st.booleans(),
    )
    def build(self, name: str, kind: str, result: str, poll: bool) -> None:
        self._build(name, kind, result)
        if poll:
            self.poll(0)

    def _build(self, name: str, kind: str, result: str) -> None:
        self.time += 1_000
        self.built += 1
        build = self.jenkins.job(name, kind=kind).start(parameters={"uid": f"u{self.built}"})
        self.time += 1_000
        build.finish(result)

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(KINDS), count=st.integers(1, 4))
    def start(self, name: str, kind: str, count: int) -> None:
        for _ in range(count):
            self.time += 1_000
            self.built += 1
            self.jenkins.job(name, kind=kind).start(parameters={"uid": f"u{self.built}"})

    @precondition(lambda self: self.jenkins.running)
    @rule(which=pick, result=st.sampled_from(RESULTS), listeners=st.booleans())
    def finish(self, which: int, result: str, listeners: bool) -> None:
        self.time += 1_000
        self._running(which).finish(result, post_production=listeners)

    @precondition(lambda self: self.jenkins.running)
    @rule(which=pick)
    def pause(self, which: int) -> None:
        build = self._running(which)
        if build.state in BEGUN and build.job.kind.pipeline:
            build.pause()

    @rule(name=st.sampled_from(NAMES))
    def schedule(self, name: str) -> None:
        """A pipeline whose Jenkinsfile is being fetched."""
        self.time += 1_000
        self.built += 1
        build = self.jenkins.job(name).start(parameters={"uid": f"u{self.built}"})
        if build.job.kind.pipeline:
            build.fetch()

    @precondition(lambda self: self.jenkins.running)
    @rule(which=pick)
    def begin(self, which: int) -> None:
        build = self._running(which)
        if build.state == NOT_BEGUN:
            build.begin()

    @precondition(lambda self: self.jenkins.running)
    @rule(which=pick, result=st.sampled_from([*RESULTS, None]), polls=st.integers(0, 7))
    def approach_end(self, which: int, result: str | None, polls: int) -> None:
        """Its record is preliminary, and polls may see it."""
        build = self._running(which)
        if build.state in BEGUN and build.job.kind.pipeline:
            build.approach_end(result)
        for _ in range(polls):
            self.poll(20)

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick, place=pick)
    def delete_build(self, which: int, place: int) -> None:
        job = self._job(which)
        if job.builds:
            job.delete_build(sorted(job.builds)[place % len(job.builds)])

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick)
    def rotate(self, which: int) -> None:
        job = self._job(which)
        done = [number for number, build in sorted(job.builds.items()) if build.completed]
        for number in done[: len(done) // 2]:
            job.delete_build(number)

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick, jump=st.integers(1, 1_000))
    def set_next_build_number(self, which: int, jump: int) -> None:
        self._job(which).next_build_number += jump

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick)
    def recreate(self, which: int) -> None:
        self._job(which).recreate()

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick, kind=st.sampled_from(KINDS), keep_counter=st.booleans())
    def turn_into(self, which: int, kind: str, keep_counter: bool) -> None:
        job = self._job(which)
        self.jenkins.remove(job.full_name)
        again = self.jenkins.job(job.full_name, kind=kind)
        if keep_counter:
            again.next_build_number = job.next_build_number

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick)
    def remove(self, which: int) -> None:
        self.jenkins.remove(self._job(which).full_name)

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick, name=st.sampled_from(NAMES))
    def rename(self, which: int, name: str) -> None:
        if self.jenkins.find(name) is None:
            self.jenkins.rename(self._job(which).full_name, name)

    @rule()
    def restart(self) -> None:
        restart(self.jenkins)

    @rule()
    def back_up(self) -> None:
        self.saved = backup(self.jenkins)

    @precondition(lambda self: self.saved)
    @rule()
    def restore(self) -> None:
        assert self.saved is not None
        sent = {uid(run) for run in self.sei.received}
        for job in self.saved:
            builds = job.builds.values()
            if not any(final(build) and uid_of(build) in sent for build in builds):
                self.unlinked |= {uid_of(build) for build in builds}
        restore(self.jenkins, self.saved)

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick, place=pick)
    def poison(self, which: int, place: int) -> None:
        """The stage tree of one build can't be had, ever; nor a page of builds that has it."""
        job = self._job(which)
        if job.builds:
            number = sorted(job.builds)[place % len(job.builds)]
            path = "".join(f"/job/{name}" for name in job.full_name.split("/"))
            self.poisoned += [f"{path}/{number}/wfapi/*", f"{path}/wfapi/runs"]
            self.bad_pages.append((job.full_name, number))
            self._poison()

    def _poison(self) -> None:
        for path in self.poisoned:
            self.jenkins.fail(path, status=500)
        for full_name, number in self.bad_pages:
            refuse_pages_with(self.jenkins, full_name, number)

    # -- the program, SEI, and the clock

    @rule(minutes=st.integers(0, 30))
    def poll(self, minutes: int) -> None:
        self.polls = [*self.polls[-2:], backup(self.jenkins)]
        self.program.now += minutes * MINUTE
        self.program.poll()
        self.program.deliver()

    @rule()
    def poll_without_delivery(self) -> None:
        self.program.poll()

    @rule()
    def self_check(self) -> None:
        self.program.self_check()

    @rule()
    def backfill(self) -> None:
        self.program.backfill()

    @rule(after=st.integers(0, 3_000))
    def crash(self, after: int) -> None:
        self.may_double = True
        self.program.crash(after)

    @rule(glob=st.sampled_from(["/api/json*", "/job/*", "*/wfapi/*", "/computer/*", "/login"]))
    def jenkins_fails_once(self, glob: str) -> None:
        self.jenkins.fail(glob, status=500, times=1)

    @rule(glob=st.sampled_from(ADDRESSES))
    def one_empty_object(self, glob: str) -> None:
        answer_empty(self.jenkins, glob)

    @precondition(lambda self: self.polls)
    @rule(glob=st.sampled_from(ADDRESSES))
    def one_stale_answer(self, glob: str) -> None:
        """As it was two polls ago."""
        self.jenkins.faults.append(AnswersOf(glob, replica(self.jenkins, self.polls[0])))

    @precondition(lambda self: self.polls)
    @rule()
    def stale_poll(self) -> None:
        """Each answer of a whole poll is as it was two polls ago."""
        stale = AnswersOf("*", replica(self.jenkins, self.polls[0]), times=10_000)
        self.jenkins.faults.append(stale)
        self.program.poll()
        self.program.deliver()
        self.jenkins.faults.remove(stale)

    @precondition(lambda self: self.polls)
    @rule(glob=st.sampled_from(ADDRESSES), key=st.sampled_from(KEYS))
    def one_wrong_type(self, glob: str, key: str) -> None:
        if key == "name":  # a stage's: a parameter's says which build it is
            glob = "*/wfapi/*"
        change_next(self.jenkins, glob, with_wrong_type(key))

    @rule(glob=st.sampled_from(ADDRESSES))
    def one_too_large(self, glob: str) -> None:
        answer_too_large(self.jenkins, glob, LIMIT)

    @rule(answer=st.sampled_from(NO_SUCCESS))
    def sei_is_down(self, answer: tuple[int, str]) -> None:
        status, body = answer
        self.sei.fail(status=status, body=body)
        self.program.deliver()

    @precondition(lambda self: self.jenkins.jobs)
    @rule(which=pick, place=pick)
    def sei_never_takes(self, which: int, place: int) -> None:
        """One run, whatever it takes of others; the next of its job wait for five tries."""
        job = self._job(which)
        if job.builds:
            build = job.builds[sorted(job.builds)[place % len(job.builds)]]
            received = {uid(run) for run in self.sei.received}
            if uid_of(build) not in received and len(self.sei.sick) < 2:
                self.sei.sick.add(uid_of(build))

    @rule()
    def sei_loses_answers(self) -> None:
        self.may_double = True
        self.sei.hold_answers = True
        self.program.deliver()

    @rule()
    def sei_is_slow(self) -> None:
        """It takes what we gave up, later."""
        self.may_double = True
        self.sei.slow = True
        self.program.deliver()

    @rule(count=st.integers(1, 5))
    def sei_takes_late(self, count: int) -> None:
        for take in self.sei.on_the_way[:count]:
            take()
        del self.sei.on_the_way[:count]

    @precondition(lambda self: self.sei.faults or self.sei.hold_answers or self.sei.slow)
    @rule()
    def sei_is_back(self) -> None:
        self.sei.clear_faults()
        self.sei.hold_answers = self.sei.slow = False

    @rule(days=st.integers(-400, 400))
    def clock_jumps(self, days: int) -> None:
        self.program.now += days * 86_400_000

    @rule(days=st.integers(-30, 30))
    def jenkins_clock_jumps(self, days: int) -> None:
        """What starts then may seem to be older than what was there before."""
        self.time += days * 86_400_000

    # -- what must hold

    @invariant()
    def no_two_builds_share_a_place_at_sei(self) -> None:
        """SEI would keep the first run of a number and drop the second."""
        places = defaultdict(set)
        for run in self.sei.received:
            places[run["job_full_name"], run["build_number"]].add(uid(run))
        assert [place for place, uids in places.items() if len(uids) > 1] == []

    @invariant()
    def what_is_sent_again_is_the_same(self) -> None:
        """With the same `execution_id`, to the byte or with more extras; and only where it has
        those or an answer can be lost."""
        bodies = defaultdict(list)
        for run in self.sei.received:
            bodies[uid(run)].append(run)
        for one in self.unlinked:  # a second name for it is not ruled out (docs/reliability.md)
            names = [run["job_full_name"] for run in bodies[one]]
            bodies[one] = [run for run in bodies[one] if run["job_full_name"] == names[0]]
        records = {u: [record_of(run) for run in sent] for u, sent in bodies.items()}
        assert [u for u, of in records.items() if any(one != of[0] for one in of)] == []
        if not self.may_double:
            sent_as = {u: {json.dumps(run, sort_keys=True) for run in bodies[u]} for u in bodies}
            assert [u for u, sent in bodies.items() if len(sent) > len(sent_as[u])] == []

    def _look_until_quiet(self) -> None:
        for _ in range(LOOKS):
            self.program.now += 20 * MINUTE
            self.program.start().ledger.jobs.ask_now(None)
            cycle = self.program.poll()
            self.program.deliver()
            quiet = (
                not cycle.problems and not cycle.error and self._queued() <= len(self.sei.refused)
            )
            if quiet and self._in_flight() == self._live():
                break
        assert (cycle.error, cycle.problems) == (None, [])

    @rule()
    def compare(self) -> None:
        """When all is quiet, SEI has what Jenkins has completed, and the ledger says so."""
        self.program.now = max(self.program.now, self.time)
        self.jenkins.clear_faults()
        self.sei.clear_faults()
        self.sei.hold_answers = self.sei.slow = False
        self._poison()
        self._look_until_quiet()
        self.program.reconcile(fill=True)
        self._look_until_quiet()  # what was filled in may have reasons to wait, too
        waiting = self._about_to_end() | self._never_taken()
        missing = self.program.reconcile(fill=False)
        assert [one for one in missing if (one.job, one.number) not in waiting] == []
        sent = Counter({uid(run): 1 for run in self.sei.received})
        jobs = self.jenkins.jobs.values()
        there = [b for j in jobs for b in j.builds.values() if uid_of(b) not in self.sei.sick]
        assert [uid_of(b) for b in there if final(b) and not sent[uid_of(b)]] == []
        results = {uid(run): run["result"] for run in self.sei.received}
        ended = [b for b in there if final(b) and uid_of(b) not in self._resumed_after_a_restore()]
        assert [b for b in ended if results[uid_of(b)] != at_sei(b)] == []
        early = {uid_of(b) for b in there if not final(b) and sent[uid_of(b)]}
        assert early <= self._resumed_after_a_restore()
        # What looks settled may run: a build of a job that a restore brought back, or of one created
        # anew up to the very same number. It is found when it has ended.
        assert self._in_flight() <= self._live()

    def teardown(self) -> None:
        try:
            self.compare()
            self.sei_takes_late(len(self.sei.on_the_way))
            for build in list(self.jenkins.running):
                self.time += 1_000
                build.finish()
            self.compare()
            assert self._in_flight() == 0
        finally:
            self.program.close()
            self.directory.cleanup()

    def _resumed_after_a_restore(self) -> set[str]:
        saved = self.saved or ()
        return {uid_of(b) for job in saved for b in job.builds.values() if not final(b)}

    def _about_to_end(self) -> set[tuple[str, int]]:
        """Jenkins' record says that they have ended: they are missing, and awaited."""
        return {
            (b.job.full_name, b.number) for b in self.jenkins.running if b.state == ABOUT_TO_END
        }

    def _never_taken(self) -> set[tuple[str, int]]:
        jobs = self.jenkins.jobs.items()
        there = [(name, b) for name, job in jobs for b in job.builds.values()]
        return {(name, b.number) for name, b in there if uid_of(b) in self.sei.sick}

    def _in_flight(self) -> int:
        line = self.program.start()
        (row,) = line.ledger.controllers.all() or [{"tally": {}}]
        return int(row["tally"].get(("", "in_flight"), 0))

    def _queued(self, sink: str = "sei") -> int:
        return self.program.start().ledger.outbox.count(sink, "queued")

    def _live(self) -> int:
        return sum(
            uid_of(b) not in {uid(run) for run in self.sei.received}
            for job in self.jenkins.jobs.values()
            for b in job.builds.values()
            if not final(b)
        )

    def _job(self, which: int) -> Job:
        return list(self.jenkins.jobs.values())[which % len(self.jenkins.jobs)]

    def _running(self, which: int) -> Build:
        return list(self.jenkins.running)[which % len(self.jenkins.running)]


def uid(run: dict[str, object]) -> str:
    """Which build a run is of."""
    (value,) = [p["value"] for p in run["job_run_params"] if p["name"] == "uid"]  # type: ignore[attr-defined]
    return str(value)


def uid_of(build: Build) -> str:
    """The same of a build."""
    return str(build.parameters["uid"])


def final(build: Build) -> bool:
    """Nothing of it will change that Jenkins' API shows."""
    return not (build.building or build.in_progress or build.state == ABOUT_TO_END)


def at_sei(build: Build) -> str:
    """A build's result, in SEI's words."""
    return "SUCCESS" if build.result == "SUCCESS" else "FAILURE"


PLAYS = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    report_multiple_bugs=False,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("plays", sizes(5, 100))
def test_nothing_is_lost_or_doubled_whatever_happens(plays: int) -> None:
    """Every event there is, in any order, with crashes at any await and answers lost."""
    run_state_machine_as_test(NothingLostOrDoubled, settings=settings(PLAYS, max_examples=plays))


class ForgetsWhatRuns(Program):
    """A program with the usual mistake: its watermark passes builds that run."""

    def poll(self) -> PollResult:
        cycle = super().poll()
        assert self.line is not None
        with self.line.ledger.file.write("forget") as conn:
            conn.execute("delete from build where state = 'in_flight'")
        return cycle

    def reconcile(self, *, fill: bool) -> list[Difference]:
        del fill
        return []


class WithTheUsualMistake(NothingLostOrDoubled):
    """The same play with that program."""

    program_class = ForgetsWhatRuns


def test_the_play_finds_the_usual_mistake() -> None:
    """A test that can't fail proves nothing: a lost build is noticed."""
    found = settings(PLAYS, phases=[Phase.generate], database=None)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(WithTheUsualMistake, settings=found)
