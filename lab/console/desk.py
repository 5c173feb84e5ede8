"""What the routes of one application work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends
from pydantic import BaseModel
from starlette.requests import Request

from lab.console.commands import Replies
from lab.console.entrance import Entrance
from lab.console.errors import UnknownPersonError
from lab.console.events import Broadcast
from lab.console.guard import Guard
from lab.console.person import Person
from lab.console.requests import Login
from lab.console.service import LabService

T = TypeVar("T")
State = dict[str, Any]

STOPS_AT_ONCE = 16
PROOFS_AT_ONCE = 4
"""Requests with a secret that are in work at the same time; others wait without keeping a thread."""


@dataclass
class Desk:
    """One laboratory's service and who may use it."""

    service: LabService
    entrance: Entrance
    broadcast: Broadcast
    guard: Guard
    replies: Replies
    stop_url: Callable[[], str | None]

    def __post_init__(self) -> None:
        # Threads of their own: neither may a STOP wait for other requests, nor those for somebody's secret.
        self.stopping = CapacityLimiter(STOPS_AT_ONCE)
        self.proving = CapacityLimiter(PROOFS_AT_ONCE)

    def once(self, request: Request, person: Person, body: BaseModel | None, work: Callable[[], State]) -> State:
        """Do a command, but only once for each Idempotency-Key of a person."""
        told = "" if body is None else body.model_dump_json()
        key = request.headers.get("idempotency-key")
        return self.replies.once(person.name, key, f"{request.url.path} {told}", work)

    async def prove(self, work: Callable[[], T]) -> T:
        """Do something that takes a secret, among the few that are done at the same time."""
        return await to_thread.run_sync(work, limiter=self.proving)

    def approve(self, request: Request, person: Person, bypass: str, proof: Login) -> State:
        """Approve a bypass as the safety officer who gives their secret; guessing is slowed down as for logging in."""
        right = self.entrance.attempt(proof.user, self.guard.shown(request).address)
        answer = self.service.approve_bypass(person, bypass, proof.user, proof.secret)
        right()
        return answer


async def desk_of(request: Request) -> Desk:
    """The desk of the application that got a request."""
    # No plain function: that would wait for a thread, and a STOP comes through here.
    desk: Desk = request.app.state.desk
    return desk


def admitted(request: Request, desk: Annotated[Desk, Depends(desk_of)]) -> Person | None:
    """Who sends a request, where that person may; see `Guard.admit`."""
    return desk.guard.admit(request)


async def known(person: Annotated[Person | None, Depends(admitted)]) -> Person:
    """Who sends a request, who must be known.

    Raises:
        UnknownPersonError: Where nobody knows.
    """
    if person is None:
        raise UnknownPersonError("nobody knows who asks: log in, or send a token")
    return person


At = Annotated[Desk, Depends(desk_of)]
Anybody = Annotated[Person | None, Depends(admitted)]
Somebody = Annotated[Person, Depends(known)]
