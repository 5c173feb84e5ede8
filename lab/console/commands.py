"""Commands that take their time, and answers that a repeated request gets again."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from drivers.gate import DriverError
from lab.console.errors import BadRequestError, NotThereError, UnavailableError
from lab.errors import LabError

KEPT = 1000
"""How many commands and answers are remembered."""
ANSWER_S = 60.0
"""How long a repeated request waits for the answer to the first."""
LONGEST_KEY = 200
FAILED_INSIDE = "that failed inside: the lab service's log has the trace"

T = TypeVar("T")
Answer = dict[str, Any]


class Phase(StrEnum):
    """How a command stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Command:
    """One command that somebody gave."""

    id: str
    person: str
    what: str
    phase: Phase = Phase.RUNNING
    result: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    def to_json(self) -> Answer:
        """As people and programs see it."""
        return {
            "command": self.id,
            "person": self.person,
            "what": self.what,
            "phase": str(self.phase),
            "result": dict(self.result),
            "error": self.error,
        }


class Commands:
    """Runs commands beside the requests that gave them, and remembers how they ended."""

    def __init__(self, start: Callable[[str, Callable[[], None]], object]) -> None:
        """Prepare.

        Args:
            start: Runs something in a thread of its own that lives in lab time: `Clock.start`.
        """
        self._start = start
        self._lock = threading.Lock()
        self._commands: OrderedDict[str, Command] = OrderedDict()

    def begin(self, person: str, what: str, work: Callable[[], Mapping[str, Any]]) -> Command:
        """Have `work` done, and return at once."""
        command = Command(secrets.token_hex(8), person, what)
        with self._lock:
            self._commands[command.id] = command
            over = [name for name, old in self._commands.items() if old.phase is not Phase.RUNNING]
            for name in over[: max(0, len(self._commands) - KEPT)]:
                del self._commands[name]
        self._start(f"command {command.id}", lambda: _carry_out(command, work))
        return command

    def find(self, command_id: str) -> Command:
        """The command of that id.

        Raises:
            NotThereError: Where there is none, or none any more.
        """
        with self._lock:
            command = self._commands.get(command_id)
        if command is None:
            raise NotThereError(f"no command {command_id!r} is known: the last {KEPT} are remembered until the end")
        return command


def _carry_out(command: Command, work: Callable[[], Mapping[str, Any]]) -> None:
    phase = Phase.FAILED
    command.error = FAILED_INSIDE
    try:
        command.result = work()
        command.error, phase = None, Phase.DONE
    except (LabError, DriverError) as error:
        command.error = str(error)
    finally:
        command.phase = phase


def settle(answer: Future[T], work: Callable[[], T]) -> None:
    """Have `answer` be what `work` gives or refuses; a defect goes on, and whoever waits is told that there was one."""
    try:
        answer.set_result(work())
    except (LabError, DriverError) as error:
        answer.set_exception(error)
    finally:
        if not answer.done():
            answer.set_exception(UnavailableError(FAILED_INSIDE))


class Replies:
    """Gives a request that comes again, because its answer was lost, the answer that it had."""

    def __init__(self, now: Callable[[], float] = time.monotonic, life_s: float = 600.0) -> None:
        self._now, self._life_s = now, life_s
        self._lock = threading.Lock()
        self._given: OrderedDict[tuple[str, str], tuple[str, float, Future[Answer]]] = OrderedDict()

    def once(self, person: str, key: str | None, request: str, work: Callable[[], Answer]) -> Answer:
        """The answer of `work`, which is done once for each person and key.

        Args:
            person: Who asks; keys of others are none of theirs.
            key: The request's Idempotency-Key; None: it is done whatever was done before.
            request: The request itself, to notice where a key is used for another one.
            work: Does it; an error that it raises is its answer too.

        Raises:
            BadRequestError: Where the key was used for another request.
            UnavailableError: Where the first request is not answered in time.
        """
        if key is None:
            return work()
        if len(key) > LONGEST_KEY:
            raise BadRequestError(f"Idempotency-Key is {len(key)} characters long: give at most {LONGEST_KEY}")
        answer, first = self._answer_of(person, key, request)
        if first:
            settle(answer, work)
        try:
            return answer.result(ANSWER_S)
        except TimeoutError:
            raise UnavailableError("the same request is still being worked on: ask again later") from None

    def _answer_of(self, person: str, key: str, request: str) -> tuple[Future[Answer], bool]:
        """The answer to a request, and whether it is the first of its key."""
        with self._lock:
            self._forget()
            known = self._given.get((person, key))
            if known is None:
                answer: Future[Answer] = Future()
                self._given[person, key] = (request, self._now(), answer)
                return answer, True
        if known[0] != request:
            raise BadRequestError("this Idempotency-Key was used for another request: use a new one for each command")
        return known[2], False

    def _forget(self) -> None:
        oldest_s = self._now() - self._life_s
        while self._given:
            _, (_, given_s, answer) = next(iter(self._given.items()))
            if len(self._given) < KEPT and (given_s > oldest_s or not answer.done()):
                return
            self._given.popitem(last=False)
