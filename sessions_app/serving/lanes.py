"""Who gets one of the threads of a web process.

Each person has a lane, and all strangers together have one. No lane gets every thread: two are left for the others, so
that what one does a lot of, or slowly, keeps nobody else waiting. Runs in the event loop alone, so it locks nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from http import HTTPStatus

from sessions_app.serving.bodies import Refusal

LEFT_FOR_OTHERS = 2  # threads
WAITING_PER_PERSON = 50  # requests of a person, and of an address where nobody is logged in
WAITING = 500  # requests of everybody
WAITING_STRANGERS = 250  # of them
KNOWN = 10_000  # cookies of people; who is forgotten is a stranger for one request
STRANGERS = ""


class Lanes:
    """The threads of one process, given to one request after the other."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._share = max(1, threads - LEFT_FOR_OTHERS)
        self._busy: Counter[str] = Counter()
        self._waiting: deque[tuple[str, str, asyncio.Future[None]]] = deque()
        self._asking: Counter[str] = Counter()  # how many of each person or address wait

    async def enter(self, lane: str, who: str) -> None:
        """Wait for a thread. `lane`: the person, or STRANGERS; `who`: the person, or the address of a stranger. Raises
        Refusal when too many wait already."""
        if not self._waiting and self._has_room(lane):
            self._busy[lane] += 1
            return
        if self._asking[who] >= WAITING_PER_PERSON:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{WAITING_PER_PERSON} of your requests wait to be answered already. Nothing was changed. "
                "Wait until they are, or close some pages.",
                retry_after=5,
            )
        strangers = sum(not other for other, _, _ in self._waiting)
        if len(self._waiting) >= WAITING or (lane == STRANGERS and strangers >= WAITING_STRANGERS):
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The console has more requests than it can answer. Nothing was changed. Try again in a moment.",
                retry_after=5,
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((lane, who, turn))
        self._asking[who] += 1
        self._next()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(lane)
            else:
                self._next()
            raise

    def leave(self, lane: str) -> None:
        """Give the thread back."""
        self._busy[lane] -= 1
        if not self._busy[lane]:
            del self._busy[lane]
        self._next()

    def _has_room(self, lane: str) -> bool:
        return self._busy.total() < self._threads and self._busy[lane] < self._share

    def _next(self) -> None:
        """Let in who came first of those whose lane has room."""
        later: deque[tuple[str, str, asyncio.Future[None]]] = deque()
        while self._waiting and self._busy.total() < self._threads:
            lane, who, turn = self._waiting.popleft()
            if not turn.done() and not self._has_room(lane):
                later.append((lane, who, turn))
                continue
            self._asking[who] -= 1
            if not self._asking[who]:
                del self._asking[who]
            if not turn.done():
                self._busy[lane] += 1
                turn.set_result(None)
        self._waiting.extendleft(reversed(later))


class People:
    """Whose cookie it is, as the last answer to it said. Cookies are kept as hashes."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, str] = OrderedDict()

    def of(self, cookie: bytes) -> str:
        """The person, or STRANGERS."""
        return self._known.get(cookie, STRANGERS)

    def learn(self, cookie: bytes, person: str) -> None:
        """`person` is STRANGERS when the cookie is nobody's, or not any more."""
        if not cookie or not person:
            self._known.pop(cookie, None)
            return
        self._known[cookie] = person
        self._known.move_to_end(cookie)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
