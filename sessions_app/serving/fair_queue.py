"""Share the threads of a web process fairly among the people sender send requests.

Each person has a queue, and all strangers together have one. No queue gets every thread: two are left for the others,
so that what one person does often, or slowly, keeps nobody else waiting. Forms, whoever sends them, leave one thread to
pages: while another program holds the database, forms wait for it in their threads, and pages that only read need not.
Whoever gets no thread in time is refused. This runs in the event loop alone, so it needs no lock.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from http import HTTPStatus

from sessions_app.serving.bodies import Refusal

LEFT_FOR_OTHERS = 2  # threads
LEFT_FOR_PAGES = 1  # threads that are never given to a form
WAITING_SECONDS = 30.0  # seconds for a thread; proxies wait for a minute, in which a form is also tried again
WAITING_PER_PERSON = 50  # requests of a person, and of an address where nobody is logged in
WAITING = 500  # requests of everybody
WAITING_STRANGERS = 250  # of strangers, among those
KNOWN = 10_000  # cookies; a person whose cookie is forgotten counts as a stranger for one request
STRANGERS = ""


class FairQueue:
    """The threads of one process, given to one request after the other."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._share = max(1, threads - LEFT_FOR_OTHERS)
        self._form_share = max(1, threads - LEFT_FOR_PAGES)
        self._busy: Counter[str] = Counter()
        self._forms = 0  # threads that forms have
        self._waiting: deque[tuple[str, str, bool, asyncio.Future[None]]] = deque()
        self._asking: Counter[str] = Counter()  # how many requests of each person or address wait

    async def enter(self, person: str, sender: str, *, is_form: bool = False) -> None:
        """Wait for a thread.

        `person` may be STRANGERS. `sender` is the person, or the address of a stranger. Raises Refusal when too many
        wait already, or when none becomes free in time.
        """
        if not self._waiting and self._has_room(person, is_form):
            self._take(person, is_form)
            return
        if self._asking[sender] >= WAITING_PER_PERSON:
            raise Refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"{WAITING_PER_PERSON} of your requests wait to be answered already. Nothing was changed. "
                "Wait until they are, or close some pages.",
                retry_after=5,
            )
        strangers = sum(not other for other, *_ in self._waiting)
        if len(self._waiting) >= WAITING or (person == STRANGERS and strangers >= WAITING_STRANGERS):
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The console has more requests than it can answer. Nothing was changed. Try again in a moment.",
                retry_after=5,
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((person, sender, is_form, turn))
        self._asking[sender] += 1
        self._next()
        try:
            async with asyncio.timeout(WAITING_SECONDS):
                await turn
        except TimeoutError:
            self._give_up(person, is_form, turn)
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"The console was busy with other requests for {WAITING_SECONDS:.0f} seconds; its database may be held "
                "by another program. Nothing was changed. Try again in a moment.",
                retry_after=5,
            ) from None
        except asyncio.CancelledError:
            self._give_up(person, is_form, turn)
            raise

    def leave(self, person: str, *, is_form: bool = False) -> None:
        """Give a thread of this person, or of the strangers, back."""
        self._forms -= is_form
        self._busy[person] -= 1
        if not self._busy[person]:
            del self._busy[person]
        self._next()

    def _give_up(self, person: str, is_form: bool, turn: asyncio.Future[None]) -> None:
        """Give the thread back that came at the same moment, or let the others move up."""
        if turn.done() and not turn.cancelled():
            self.leave(person, is_form=is_form)
        else:
            self._next()

    def _take(self, person: str, is_form: bool) -> None:
        self._busy[person] += 1
        self._forms += is_form

    def _has_room(self, person: str, is_form: bool) -> bool:
        has_thread = self._busy.total() < self._threads and self._busy[person] < self._share
        return has_thread and not (is_form and self._forms >= self._form_share)

    def _next(self) -> None:
        """Start the requests that came first among those whose queue has a free thread."""
        later: deque[tuple[str, str, bool, asyncio.Future[None]]] = deque()
        while self._waiting and self._busy.total() < self._threads:
            person, sender, is_form, turn = self._waiting.popleft()
            if not turn.done() and not self._has_room(person, is_form):
                later.append((person, sender, is_form, turn))
                continue
            self._asking[sender] -= 1
            if not self._asking[sender]:
                del self._asking[sender]
            if not turn.done():
                self._take(person, is_form)
                turn.set_result(None)
        self._waiting.extendleft(reversed(later))


class CookieOwners:
    """Remembers to whom a session cookie belongs, as the last answer said. Cookies are kept as hashes."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, str] = OrderedDict()

    def of(self, cookie: bytes) -> str:
        """Return the person of this cookie, or STRANGERS."""
        return self._known.get(cookie, STRANGERS)

    def learn(self, cookie: bytes, person: str) -> None:
        """Remember whose cookie it is; STRANGERS when it is nobody's, or not any more."""
        if not cookie or not person:
            self._known.pop(cookie, None)
            return
        self._known[cookie] = person
        self._known.move_to_end(cookie)
        if len(self._known) > KNOWN:
            self._known.popitem(last=False)
