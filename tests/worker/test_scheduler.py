"""Who is worked at in the same moment: a dead resource takes a few threads, and after that one, never all."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sessions_app.worker.scheduler import Due, Scheduler
from tests.support.waiting import wait_until


class Resources:
    """Steps that take as long as the test holds their resource; notes who was at what."""

    def __init__(self) -> None:
        self.held: dict[int, threading.Event] = {}
        self.where: dict[int, int] = {}
        self.begun: list[int] = []
        self.done: list[int] = []
        self._lock = threading.Lock()

    def due(self, pks: range, resource: int, *, has_trouble: bool = False) -> list[Due]:
        self.where |= dict.fromkeys(pks, resource)
        return [Due(pk, resource, has_trouble) for pk in pks]

    def hold(self, resource: int) -> None:
        self.held[resource] = threading.Event()

    def work(self, pk: int) -> None:
        with self._lock:
            self.begun.append(pk)
        if held := self.held.get(self.where[pk]):
            assert held.wait(20)
        if pk == 666:
            raise ValueError("broken")
        with self._lock:
            self.done.append(pk)

    def at(self, resource: int) -> int:
        return sum(self.where[pk] == resource for pk in self.begun)

    def release(self) -> None:
        for each in self.held.values():
            each.set()


@pytest.fixture
def resources() -> Iterator[Resources]:
    made = Resources()
    yield made
    made.release()


def finish(scheduler: Scheduler, resources: Resources) -> None:
    resources.release()
    scheduler.finish()


def test_everything_that_is_due_is_worked_at_once(resources: Resources) -> None:
    scheduler = Scheduler(4, resources.work)
    scheduler.offer(resources.due(range(100), 1))
    wait_until(lambda: len(resources.done) == 100)
    scheduler.finish()
    assert sorted(resources.begun) == list(range(100))


def test_one_dead_resource_takes_a_few_threads_and_the_others_go_on(resources: Resources) -> None:
    scheduler = Scheduler(16, resources.work)
    resources.hold(1)
    scheduler.offer([*resources.due(range(50), 1), *resources.due(range(50, 90), 2)])
    wait_until(lambda: len(resources.done) == 40)
    assert resources.at(1) == 4
    finish(scheduler, resources)


def test_two_dead_resources_take_a_few_threads_each_and_no_step_more(resources: Resources) -> None:
    scheduler = Scheduler(16, resources.work)
    resources.hold(1)
    resources.hold(2)
    due = [*resources.due(range(10), 1), *resources.due(range(10, 20), 2), *resources.due(range(20, 40), 3)]
    scheduler.offer(due)
    wait_until(lambda: resources.at(3) == 20 and len(scheduler._under_way) == 8)
    scheduler.offer(due)  # what waits is offered again by the next look
    wait_until(lambda: resources.at(3) == 40 and len(scheduler._under_way) == 8)
    assert (resources.at(1), resources.at(2)) == (4, 4)
    resources.held[1].set()
    wait_until(lambda: resources.at(1) == 10 and len(scheduler._under_way) == 4)
    assert resources.at(2) == 4
    finish(scheduler, resources)
    assert all(resources.begun.count(pk) <= 1 for pk in range(20))


@pytest.mark.parametrize(("threads", "at_each"), [(1, [1, 0]), (2, [1, 0]), (3, [1, 0]), (4, [1, 1])])
def test_two_resources_in_trouble_take_half_of_the_threads_and_no_step_more(
    resources: Resources, threads: int, at_each: list[int]
) -> None:
    scheduler = Scheduler(threads, resources.work)
    resources.hold(1)
    resources.hold(2)
    scheduler.offer([*resources.due(range(5), 1, has_trouble=True), *resources.due(range(5, 10), 2, has_trouble=True)])
    wait_until(lambda: len(resources.begun) == sum(at_each))
    assert len(scheduler._under_way) == sum(at_each)
    assert [resources.at(1), resources.at(2)] == at_each
    finish(scheduler, resources)


def test_with_two_threads_one_is_left_for_the_others(resources: Resources) -> None:
    scheduler = Scheduler(2, resources.work)
    resources.hold(1)
    scheduler.offer([*resources.due(range(5), 1), *resources.due(range(5, 10), 2)])
    wait_until(lambda: len(resources.done) == 5)
    assert resources.at(1) == 1
    finish(scheduler, resources)


def test_where_something_went_wrong_one_tries_and_half_of_the_threads_stay_free(resources: Resources) -> None:
    scheduler = Scheduler(8, resources.work)
    due = []
    for resource in range(1, 11):  # ten dead resources, ten sessions each
        resources.hold(resource)
        due += resources.due(range(resource * 10, resource * 10 + 10), resource, has_trouble=True)
    scheduler.offer([*due, *resources.due(range(200, 240), 99)])
    wait_until(lambda: len(resources.done) == 40)
    assert [resources.at(resource) for resource in range(1, 11)] == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    finish(scheduler, resources)


def test_the_trouble_of_one_session_counts_for_the_resource(resources: Resources) -> None:
    scheduler = Scheduler(8, resources.work)
    resources.hold(1)
    resources.hold(2)
    scheduler.offer(
        [
            *resources.due(range(5), 1),
            *resources.due(range(5, 6), 1, has_trouble=True),
            *resources.due(range(6, 11), 2),
        ]
    )
    wait_until(lambda: resources.at(2) == 4)
    assert resources.at(1) == 1
    finish(scheduler, resources)


def test_nobody_is_at_a_session_twice(resources: Resources) -> None:
    scheduler = Scheduler(4, resources.work)
    resources.hold(1)
    for _ in range(3):
        scheduler.offer(resources.due(range(1), 1))
    wait_until(lambda: resources.begun == [0])
    resources.release()
    wait_until(lambda: resources.done == [0])
    scheduler.finish()
    assert resources.begun == [0]


def test_a_step_that_breaks_frees_its_thread(resources: Resources, caplog: pytest.LogCaptureFixture) -> None:
    scheduler = Scheduler(1, resources.work)
    scheduler.offer([*resources.due(range(666, 667), 1), *resources.due(range(700, 703), 1)])
    wait_until(lambda: resources.done == [700, 701, 702])
    scheduler.finish()
    assert "Session 666" in caplog.text
    assert "ValueError: broken" in caplog.text


def test_at_the_end_what_is_under_way_is_finished_and_nothing_begun(resources: Resources) -> None:
    scheduler = Scheduler(1, resources.work)
    resources.hold(1)
    scheduler.offer(resources.due(range(3), 1))
    wait_until(lambda: resources.begun == [0])
    ending = threading.Thread(target=scheduler.finish)
    ending.start()
    wait_until(lambda: not scheduler._waiting)
    resources.release()
    ending.join(10)
    assert not ending.is_alive()
    assert resources.done == resources.begun == [0]
