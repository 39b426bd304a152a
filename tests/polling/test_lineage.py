"""Which history a job's builds belong to."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.core.build_key import BuildKey
from poller.ledger.records import JobProgress, JobState, KnownBuild, Predecessor
from poller.polling.lineage import (
    continued,
    is_another,
    replaced,
    start_generation,
    unsettled,
)


def at(number: int, timestamp: int = 0, queue_id: int = 0) -> BuildKey:
    """A build's start; by default, all from its number."""
    return BuildKey(number, timestamp or 1000 + number, queue_id or 50 + number)


def started(*numbers: int) -> dict[int, BuildKey]:
    """Builds as Jenkins shows them."""
    return {number: at(number) for number in numbers}


def known(number: int, job: int = 1, generation: int = 0, *, settled: bool = True) -> KnownBuild:
    """A build as the ledger has it."""
    return KnownBuild(at(number), job, generation, settled)


JOB = JobState("app", 1, "Pipeline", 0, 0, JobProgress(5, 6, frozenset({4}), at(5)))
NEW = JobState("web")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (BuildKey(1, 10, 7), BuildKey(1, 10, 7), True),
        (BuildKey(1, 10, 7), BuildKey(1, 10, 0), True),
        (BuildKey(1, 10, 7), BuildKey(1, 0, 7), True),
        (BuildKey(1, 10, 7), BuildKey(1, 11, 7), False),
        (BuildKey(1, 10, 7), BuildKey(1, 10, 8), True),
        (BuildKey(1, 10, 7), BuildKey(2, 10, 7), False),
    ],
)
def test_a_build_is_told_by_number_and_start(one: BuildKey, other: BuildKey, same: bool) -> None:
    """What is not known proves nothing; a pipeline that resumes gets another queue id."""
    assert same is one.is_same(other)


@pytest.mark.parametrize(
    ("shown", "another"),
    [
        (started(5, 4), False),
        (started(8, 7, 6, 5), False),
        ({}, False),
        (started(8, 7, 6), False),
        ({5: at(5, 777)}, True),
        ({4: at(4, 777)}, True),
        ({4: at(4, queue_id=777)}, False),
        ({4: BuildKey(4, 0)}, False),
    ],
)
def test_another_job_under_the_same_name(shown: dict[int, BuildKey], another: bool) -> None:
    """A known number has another start; what is not there proves nothing."""
    rows = [known(4, settled=False), known(5)]
    assert another is is_another(JOB, shown, rows)


def test_what_lies_below_the_same_build_is_of_a_job_that_had_the_name_before() -> None:
    """It was moved away with a build in flight: that one is gone, and the job the same. A build that
    was only seen to run says nothing of what lies below it."""
    shown = {4: at(4, 777), 5: at(5), 6: at(6)}
    below, same, seen = known(4, settled=False), known(5), known(6, settled=False)
    assert not is_another(JOB, shown, [below, same])
    assert replaced(JOB, shown, [below, same, known(4, generation=1, settled=False)]) == {4}
    nothing_newest = dataclasses.replace(JOB, progress=JobProgress(5, 6, frozenset({4, 6})))
    assert is_another(nothing_newest, shown, [below, seen])


def test_a_job_created_anew_begins_at_nothing_and_goes_on_counting() -> None:
    """Its numbers go on at SEI after the last one its name has used."""
    job, source = start_generation(JOB, {1: at(1, 9000, 900)}, [], {}, 0, another=True)
    assert (1, 5, JobProgress(), None) == (job.generation, job.number_offset, job.progress, source)


def test_a_restored_job_goes_on_where_the_backup_ended() -> None:
    """Builds up to there are known; what runs there is still waited for."""
    shown = started(1, 2, 3, 4)
    job, source = start_generation(
        JOB, shown, [known(n) for n in (1, 2, 3, 4)], {}, 0, another=True
    )
    assert Predecessor(1, 0, 4, moved=False) == source
    assert (job.generation, job.number_offset) == (1, 5)
    assert JobProgress(examined=4, in_flight=frozenset({4}), newest=at(4)) == job.progress


def test_a_renamed_job_takes_its_mark_along() -> None:
    """And its numbers, as the name is new."""
    lost = dataclasses.replace(JOB, number_offset=20)
    job, source = start_generation(
        NEW, started(4, 5, 6), [known(4), known(5)], {1: lost}, 0, another=False
    )
    assert Predecessor(1, 0, 5, moved=True) == source
    assert (job.generation, job.number_offset, job.progress.examined) == (0, 20, 5)


def test_a_name_that_was_used_before_keeps_its_numbers_apart() -> None:
    """What moves there counts on from the last number that SEI has under the name."""
    left_behind = JobState("web", 2, "Pipeline", 1, 30, JobProgress())
    job, _ = start_generation(left_behind, started(5), [known(5)], {1: JOB}, 0, another=False)
    assert job.number_offset == 30


def test_one_that_comes_back_keeps_its_numbers_where_none_is_used_twice() -> None:
    """A list that is old shows a part of what was sent: what is built next is not one of those."""
    moved_away = JobState("app", 1, "Pipeline", 1, 5, JobProgress())
    back = {5: 0, 4: 5}
    for newest, offset in back.items():
        job, _ = start_generation(
            moved_away,
            started(newest),
            [KnownBuild(at(newest), 1, 0, True, offset=0)],
            {},
            5,
            another=False,
        )
        assert job.number_offset == offset
    unknown, _ = start_generation(
        dataclasses.replace(moved_away, number_offset=0), started(1), [], {}, 5, another=False
    )
    assert unknown.number_offset == 5


def test_builds_of_a_job_that_is_still_there_are_no_sign_of_a_rename() -> None:
    """They are known, and that is all."""
    job, source = start_generation(NEW, started(5), [known(5)], {}, 0, another=False)
    assert (0, JobProgress(), None) == (job.number_offset, job.progress, source)


def test_a_build_that_was_only_seen_to_run_continues_nothing() -> None:
    """A job created anew past the number has it, too; what lies before is still to be looked at."""
    shown, seen = started(4, 5, 6), known(6, settled=False)
    job, source = start_generation(JOB, shown, [known(4), known(5), seen], {}, 0, another=True)
    assert (source, job.progress.examined) == (Predecessor(1, 0, 5, moved=False), 5)
    job, source = start_generation(JOB, shown, [seen], {}, 0, another=True)
    assert (source, job.progress) == (None, JobProgress())


def test_a_newest_build_beyond_the_mark_continues_nothing() -> None:
    """A backfill may have recorded it; what lies before is still to be looked at."""
    assert JobProgress(newest=at(9)) == continued(JOB.progress, at(9))


@given(st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)))
def test_what_is_settled_is_not_due_again(due: set[int], done: set[int], other: set[int]) -> None:
    """Unless its number belongs to another build by now."""
    shown = {n: at(n, 9000 + n, 900 + n) if n in other else at(n) for n in range(1, 21)}
    left = unsettled(sorted(due), shown, [known(n) for n in done])
    assert sorted(n for n in due if n not in done or n in other) == left
