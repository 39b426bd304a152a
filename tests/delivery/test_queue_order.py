"""Which delivery is next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poller.delivery.queue_order import TRIED, QueueOrder
from poller.ledger.deliveries.queue import Lane

POLLED, BACKFILLED = Lane(1, False), Lane(1, True)


def sent(order: QueueOrder, count: int) -> list[int]:
    """The next deliveries, each settled before the next one."""
    found: list[int] = []
    while len(found) < count and (following := order.next()) is not None:
        found.append(following[0])
        order.done(following[1])
    return found


def test_the_oldest_of_all_jobs_that_are_free() -> None:
    """One of a job at once; where nothing is free there is no next."""
    order = QueueOrder()
    order.add(POLLED, [(1, 7), (2, 7), (3, 8)])
    assert (order.next(), order.next(), order.next()) == ((1, 7), (3, 8), None)
    order.done(8)
    assert order.next() is None
    order.done(7)
    assert order.next() == (2, 7)


def test_a_live_build_waits_for_no_backfill() -> None:
    """However long that one's queue is, they take turns."""
    order = QueueOrder()
    order.add(BACKFILLED, [(number, number % 60) for number in range(1, 3_001)])
    assert sent(order, 10) == list(range(1, 11))
    order.add(POLLED, [(4_000, 99)])
    assert 4_000 in sent(order, 2)


def test_a_storm_of_one_controller_does_not_delay_the_others() -> None:
    """Each is next after as many as there are controllers."""
    order = QueueOrder()
    order.add(POLLED, [(number, number) for number in range(1, 1_001)])
    for controller in (2, 3):
        order.add(Lane(controller, False), [(1_000 * controller, 1_000 * controller)])
    assert {2_000, 3_000} < set(sent(order, 3))


def test_runs_that_failed_go_one_by_one_behind_the_others() -> None:
    """A second one waits for the answer to the first, which may take a timeout."""
    order = QueueOrder()
    order.add(TRIED, [(1, 1), (2, 2)])
    order.add(POLLED, [(number, number) for number in range(3, 7)])
    going = [order.next() for _ in range(6)]
    assert going[-1] is None
    assert sum(one in ((1, 1), (2, 2)) for one in going) == 1


def test_a_job_that_is_held_waits_for_its_run() -> None:
    """That one goes, and the others when it does not hold them any more."""
    order = QueueOrder()
    order.add(POLLED, [(1, 7), (2, 7), (3, 8)])
    assert order.next() == (1, 7)
    order.hold({7})
    order.done(7)
    order.add(TRIED, [(1, 7)])
    assert sorted(sent(order, 9)) == [1, 3]
    order.hold(set())
    assert sent(order, 9) == [2]


PLAYS = st.tuples(st.sampled_from(["add", "next", "done", "hold", "free"]), st.integers(0, 9))
LANES = st.sampled_from([POLLED, BACKFILLED, Lane(2, False), Lane(2, True)])


class Player:
    """Takes its part in an order, and looks that it is kept."""

    def __init__(self, jobs: list[tuple[int, Lane]]) -> None:
        self.order, self.coming = QueueOrder(), list(enumerate(jobs, 1))
        self.under_way: list[int] = []
        self.gone: list[tuple[int, int]] = []
        self.held: set[int] = set()

    def add(self, count: int) -> None:
        """So many more; to say so twice changes nothing."""
        for delivery, (job, lane) in self.coming[:count]:
            self.order.add(lane, [(delivery, job)])
            self.order.add(lane, [(delivery, job)])
        del self.coming[:count]

    def next(self, _number: int = 0) -> bool:
        """The next one, if there is any."""
        if (following := self.order.next()) is None:
            return False
        assert following[1] not in (*self.under_way, *self.held)
        self.under_way.append(following[1])
        self.gone.append(following)
        return True

    def done(self, number: int = 0) -> None:
        """One of those under way is settled."""
        if self.under_way:
            self.order.done(self.under_way.pop(number % len(self.under_way)))

    def hold(self, *jobs: int) -> None:
        """Only those."""
        self.held = set(jobs)
        self.order.hold(self.held)

    def free(self, _number: int = 0) -> None:
        """None."""
        self.hold()


@given(st.lists(st.tuples(st.integers(1, 5), LANES), max_size=60), st.lists(PLAYS))
def test_each_goes_once_and_in_its_jobs_order(
    jobs: list[tuple[int, Lane]], plays: list[tuple[str, int]]
) -> None:
    """Whatever the order of things: once each, ascending in a job's lane, one of a job at once."""
    player = Player(jobs)
    for play, number in plays:
        getattr(player, play)(number)
    player.free()
    player.add(len(jobs))
    while player.next() or player.under_way:
        while player.under_way:
            player.done()
    assert sorted(player.gone) == [(place, job) for place, (job, _) in enumerate(jobs, 1)]
    for owner in set(jobs):
        of_lane = [delivery for delivery, _ in player.gone if jobs[delivery - 1] == owner]
        assert of_lane == sorted(of_lane)
