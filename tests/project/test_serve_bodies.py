"""Bodies of requests that are being read are limited: for strangers together, and for people who are logged in."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import pytest

from sessions_app.serving import bodies
from sessions_app.serving.bodies import MOST_INCOMPLETE, MOST_INCOMPLETE_OF_SENDER, Bodies, Body, Receive, Refusal
from sessions_app.serving.fair_queue import STRANGERS, WAITING_PER_PERSON, WAITING_STRANGERS, FairQueue
from tests.support.waiting import seconds

MiB = 1024 * 1024


def play(scene: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scene, seconds(10)))


def sends(*pieces: bytes, is_whole: bool = True) -> Receive:
    """Return the receive() of a client that sends these pieces, and then nothing more unless they are the whole."""
    left = list(pieces)

    async def receive() -> Mapping[str, Any]:
        if not left:
            await asyncio.Event().wait()
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left) or not is_whole}

    return receive


async def slow(
    all_bodies: Bodies, count: int, network: str, person: str = "", sent: bytes = b"x"
) -> list[asyncio.Task[Body]]:
    """Start to read `count` bodies that never arrive completely."""
    tasks = [
        asyncio.create_task(all_bodies.read(sends(sent, is_whole=False), None, network, person)) for _ in range(count)
    ]
    await let_run()
    return tasks


async def let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def refused(tasks: list[asyncio.Task[Body]]) -> list[int]:
    """Return the numbers of the tasks that were refused because there were too many."""
    over = [number for number, task in enumerate(tasks) if task.done()]
    for number in over:
        error = tasks[number].exception()
        assert isinstance(error, Refusal)
        assert error.status == HTTPStatus.TOO_MANY_REQUESTS
    return over


async def all_gone(*crowds: list[asyncio.Task[Body]]) -> None:
    tasks = [task for crowd in crowds for task in crowd]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_the_oldest_of_an_address_makes_room_for_the_next_and_other_addresses_stay() -> None:
    async def scene() -> None:
        every = Bodies(MiB)
        beside = await slow(every, 3, "192.0.2.2")
        crowd = await slow(every, MOST_INCOMPLETE_OF_SENDER, "192.0.2.1")
        assert refused(crowd) == []
        body = await every.read(sends(b"a", b"b"), 2, "192.0.2.1")
        assert body.data == b"ab"
        await let_run()
        assert refused(crowd) == [0]
        assert refused(beside) == []
        await all_gone(crowd, beside)

    play(scene())


def test_ten_addresses_keep_no_other_stranger_from_sending() -> None:
    async def scene() -> None:
        every = Bodies(MiB)
        beside = await slow(every, 1, "192.0.2.99")
        crowds = [
            await slow(every, MOST_INCOMPLETE_OF_SENDER, f"192.0.2.{number}")
            for number in range(MOST_INCOMPLETE // MOST_INCOMPLETE_OF_SENDER)
        ]
        newcomer = await slow(every, 1, "192.0.2.100")
        assert sum(len(refused(crowd)) for crowd in crowds) == 2
        assert refused([*beside, *newcomer]) == []
        await all_gone(beside, newcomer, *crowds)

    play(scene())


def test_no_number_of_strangers_takes_the_place_of_a_person() -> None:
    async def scene() -> None:
        every = Bodies(MiB)
        person = await slow(every, MOST_INCOMPLETE_OF_SENDER, "192.0.2.1", "7")
        for number in range(2 * MOST_INCOMPLETE // MOST_INCOMPLETE_OF_SENDER):
            await slow(every, MOST_INCOMPLETE_OF_SENDER, f"192.0.2.{number}")
        assert refused(person) == []
        assert (await every.read(sends(b"ab"), 2, "192.0.2.1", "8")).data == b"ab"
        assert refused(person) == []  # another person took none of theirs
        await slow(every, 1, "192.0.2.1", "7")
        assert refused(person) == [0]

    play(scene())


def test_large_bodies_of_strangers_leave_room_for_those_of_people_and_for_small_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 4 * MiB)

    async def scene() -> None:
        every = Bodies(2 * MiB)
        crowd = await slow(every, 4, "192.0.2.1", sent=b"x" * MiB)
        assert refused(crowd) == []
        person = await every.read(sends(b"x" * MiB), MiB, "192.0.2.1", "7")
        assert len(person.data) == MiB
        assert refused(crowd) == []
        small = await every.read(sends(b"user=alice"), 10, "192.0.2.1")
        await let_run()
        assert len(refused(crowd)) == 1
        every.done(small)
        every.done(person, "7")
        await all_gone(crowd)
        for who in ("", "7"):  # everything was given back
            whole = [await every.read(sends(b"x" * MiB), MiB, "192.0.2.1", who) for _ in range(4)]
            with pytest.raises(Refusal, match="busy with what others send"):
                await every.read(sends(b"x"), 1, "192.0.2.1", who)
            for body in whole:
                every.done(body, who)

    play(scene())


def test_strangers_who_wait_for_a_thread_leave_room_for_people() -> None:
    async def scene() -> None:
        queue = FairQueue(5)
        networks = range(WAITING_STRANGERS // WAITING_PER_PERSON + 1)
        waiting = [
            asyncio.create_task(queue.enter(STRANGERS, f"address {number}"))
            for number in networks
            for _ in range(WAITING_PER_PERSON)
        ]
        await let_run()
        with pytest.raises(Refusal, match="more requests than it can answer"):
            await queue.enter(STRANGERS, "address 192.0.2.99")
        people = [asyncio.create_task(queue.enter(str(number), str(number))) for number in range(WAITING_PER_PERSON)]
        await let_run()
        assert not any(task.done() and task.exception() for task in people)
        for task in [*waiting, *people]:
            task.cancel()
        await asyncio.gather(*waiting, *people, return_exceptions=True)

    play(scene())
