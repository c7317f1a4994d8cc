"""Who gets a thread: no person and no crowd of strangers gets all of them, and nobody who waits is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from sessions_app.serving import fair_queue
from sessions_app.serving.bodies import Refusal
from sessions_app.serving.fair_queue import KNOWN, STRANGERS, WAITING_PER_PERSON, CookieOwners, FairQueue
from tests.support.waiting import seconds


async def let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def running(queue: FairQueue, person: str, count: int, sender: str = "") -> list[asyncio.Task[None]]:
    return [asyncio.create_task(queue.enter(person, sender or person)) for _ in range(count)]


def inside(tasks: list[asyncio.Task[None]]) -> int:
    return sum(task.done() and not task.cancelled() for task in tasks)


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, seconds(10)))


@pytest.mark.parametrize("person", [STRANGERS, "7"])
def test_strangers_together_and_one_person_get_three_of_five_threads(person: str) -> None:
    async def scene() -> None:
        queue = FairQueue(5)
        crowd = running(queue, person, 20, "someone")
        await let_run()
        assert inside(crowd) == 3
        someone_else = running(queue, "8", 3)
        await let_run()
        assert inside(someone_else) == 2  # both that are left
        queue.leave("8")
        await let_run()
        assert inside(someone_else) == 3  # before seventeen who came earlier and have their share
        assert inside(crowd) == 3
        for task in crowd:
            task.cancel()

    play(scene())


def test_everybody_who_waits_gets_in_and_who_came_first_is_first() -> None:
    async def scene() -> None:
        queue, entered = FairQueue(5), []

        async def request(number: int) -> None:
            await queue.enter(STRANGERS, "someone")
            entered.append(number)
            await asyncio.sleep(0)
            queue.leave(STRANGERS)

        await asyncio.gather(*(request(number) for number in range(40)))
        assert entered == list(range(40))
        await queue.enter("7", "7")  # nothing was left behind

    play(scene())


def test_who_gives_up_while_waiting_leaves_no_trace() -> None:
    async def scene() -> None:
        queue = FairQueue(1)
        await queue.enter("7", "7")
        waiting = running(queue, "8", 3)
        await let_run()
        waiting[0].cancel()
        queue.leave("7")
        waiting[1].cancel()  # at the moment when it may go in
        await let_run()
        assert waiting[2].done()
        assert not waiting[2].cancelled()

    play(scene())


def test_too_many_waiting_requests_of_one_are_refused_and_others_are_not() -> None:
    async def scene() -> None:
        queue = FairQueue(5)
        crowd = running(queue, STRANGERS, 3 + WAITING_PER_PERSON, "address 192.0.2.1")
        await let_run()
        with pytest.raises(Refusal, match=f"{WAITING_PER_PERSON} of your requests wait"):
            await queue.enter(STRANGERS, "address 192.0.2.1")
        other = running(queue, STRANGERS, 1, "address 192.0.2.2")
        await let_run()
        assert not other[0].done()  # waits, and is not refused
        for task in [*crowd, *other]:
            task.cancel()

    play(scene())


def test_forms_that_wait_for_the_database_leave_a_thread_to_pages() -> None:
    async def scene() -> None:
        queue = FairQueue(5)
        forms = [asyncio.create_task(queue.enter(str(number), str(number), is_form=True)) for number in range(9)]
        await let_run()
        assert inside(forms) == 4
        pages = running(queue, "20", 2)
        await let_run()
        assert inside(pages) == 1
        queue.leave("20")
        await let_run()
        assert (inside(pages), inside(forms)) == (2, 4)  # before five forms that came earlier
        queue.leave("0", is_form=True)
        await let_run()
        assert inside(forms) == 5
        for task in forms:
            task.cancel()

    play(scene())


def test_who_gets_no_thread_in_time_is_told_that_nothing_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "WAITING_SECONDS", 0.05)

    async def scene() -> None:
        queue = FairQueue(1)
        await queue.enter("7", "7", is_form=True)
        with pytest.raises(Refusal, match="for 0 seconds; its database may be held") as refused:
            await queue.enter("8", "8", is_form=True)
        assert (refused.value.status, refused.value.retry_after) == (503, 5)
        queue.leave("7", is_form=True)
        await queue.enter("9", "9", is_form=True)  # nothing was left behind

    play(scene())


def test_whose_cookie_it_is_is_learnt_and_forgotten() -> None:
    people = CookieOwners()
    people.learn(b"cookie", "7")
    assert people.of(b"cookie") == "7"
    people.learn(b"cookie", STRANGERS)  # logged out
    assert people.of(b"cookie") == STRANGERS
    for number in range(KNOWN + 1):
        people.learn(b"%d" % number, "7")
    assert people.of(b"0") == STRANGERS
    assert people.of(b"1") == "7"
