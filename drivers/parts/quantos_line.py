"""How one talks to a Quantos: commands that answer twice, settings, questions, and data of many lines.

While a command that has answered B is under way nothing is sent but a stop, whatever happens to the wire: its end is
listened for until it comes or its time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from drivers.bus import Job, Waits
from drivers.codecs import mt_sics as sics
from drivers.codecs import quantos as wire
from drivers.codecs.quantos import Answer, Reply
from drivers.errors import ActionFailedError, BusyError, CodecError, DriverError, LinkError, RefusedError, about
from drivers.gate import Granted
from drivers.parts.balance import BUSY_S, LISTEN_S, SicsInstrument

TRIES = 5
"""How often a setting is sent to an instrument that is at something else."""
STOP_S = 30.0
"""Lab seconds after a stop in which a dosing says how it ended."""


class QuantosLine(SicsInstrument):
    """What all verbs of a Quantos are made of."""

    def __init__(self, name: str, **base: Any) -> None:
        super().__init__(name, **base)
        self._stop_by_s: float | None = None
        """Until when a dosing that was stopped must have said how it ended."""
        self._numbers: dict[str, int] = {}
        """Question to the number that answered it last."""

    # -- commands that answer twice

    def _carry_out(self, command: str, argument: int | None, grant: Granted, limit_s: float) -> Job:
        """Send a long command and wait for the line that ends it; one that was not begun is sent again."""
        line = command if argument is None else f"{command} {argument}"
        by_s = self.clock.now() + limit_s
        while True:
            reply = yield from self._await_end(command, line, grant, by_s, limit_s)
            # A dosing that met another job is not begun again by itself: somebody is at the instrument.
            busy = reply.code == wire.BUSY and command != wire.START_DOSING
            if not busy or self.clock.now() >= by_s:
                break
            yield self.clock.now() + BUSY_S
        self._check_done(line, reply)

    def _await_end(self, command: str, line: str, grant: Granted, by_s: float, limit_s: float) -> Waits[Reply]:
        self._stop_by_s, overdue = None, False
        self.link.send(line, grant)
        reply = self._heard(command, self.link.timeout_s)
        while reply is None:
            if self._stop_by_s is not None and self.clock.now() >= self._stop_by_s:
                break
            if not overdue and self.clock.now() >= by_s:
                overdue = True
                if command != wire.START_DOSING:
                    break
                yield from self._stop_now(grant)
            yield self.clock.now() + LISTEN_S
            reply = self._heard(command, None)
        if overdue:
            raise UnheardEndError(f"{self.name}: {line} did not end in {limit_s:g} s")
        if reply is None:
            raise ActionFailedError(f"{self.name}: {line} was stopped, and did not say how it ended in {STOP_S:g} s")
        return reply

    def _stop_now(self, grant: Granted) -> Job:
        """Stop a dosing; this may be said as often as need be."""
        yield from self._patiently(lambda: self.link.send(wire.STOP_DOSING, grant))
        self._stop_by_s = self.clock.now() + STOP_S

    def _heard(self, command: str, wait_s: float | None) -> Reply | None:
        """Give how a long command ended, where that was said within `wait_s` wall seconds, or before."""
        while (line := self._next_line(wait_s)) is not None:
            self._seen()
            if sics.answers(sics.ASK_SERIAL, line) and not sics.is_general_error(line):
                raise ActionFailedError(f"{self.name}: was switched off and on during {command}")
            with about(self.name):
                reply = wire.parse_reply(command, line)
            if reply is not None and reply.answer is not Answer.STARTED:
                return reply
            wait_s = None
        return None

    def _next_line(self, wait_s: float | None) -> str | None:
        try:
            return self.link.read_line_if_any() if wait_s is None else self.link.read_line(wait_s)
        except LinkError:
            # Powder may be falling all the same: what was begun is waited for.
            return None

    # -- settings and questions

    def _set(self, command: str, value: str, grant: Granted) -> Job:
        """Set one thing; it may be set as often as need be, until the instrument has taken it."""
        line = f"{command} {value}"
        for last in (*[False] * (TRIES - 1), True):
            reply = yield from self._patiently(lambda: self._tell(command, line, grant))
            if reply.code != wire.BUSY or last:
                break
            yield self.clock.now() + BUSY_S
        self._check_done(line, reply)

    def _tell(self, command: str, line: str, grant: Granted) -> Reply:
        wait_s = TRIES * self.link.timeout_s
        answer = self.link.act(line, grant, accepts=_answering(command), timeout_s=wait_s)
        if sics.is_general_error(answer):
            # Garbled on its way, it may be: what is set may be set again.
            raise CodecError(f"{self.name}: {line} was answered with {answer.strip()}")
        return self._reply(command, answer)

    def _ask(self, command: str) -> Reply:
        reply = self._reply(command, self._query(command, _answering(command)))
        self._check_done(command, reply)
        return reply

    def _ask_number(self, command: str, allowed: Collection[int]) -> int:
        """Ask for a number that seldom changes."""

        def ask() -> int:
            reply = self._ask(command)
            with about(self.name):
                return wire.parse_number(reply, allowed)

        found = self._if_new(ask, self._numbers.get(command, -1), f"{self.name}: {command}")
        self._numbers[command] = found
        return found

    def _ask_xml(self, command: str) -> str:
        """Ask for data that come between a B line and an A line; each line has its deadline, and all of them."""
        first = self._query(command, _answering(command))
        reply = self._reply(command, first)
        if reply.answer is not Answer.STARTED:
            self._check_done(command, reply)
            raise CodecError(f"{self.name}: {command} gave no data: {first!r}")

        def ends(line: str) -> bool:
            found = wire.parse_reply(command, line)
            return found is not None and found.answer is not Answer.STARTED

        lines = self._read_until(command, first, ends, lambda _: True)
        self._check_done(command, self._reply(command, lines[-1]))
        return "\n".join(lines[1:-1])

    def _reply(self, command: str, line: str) -> Reply:
        with about(self.name):
            reply = wire.parse_reply(command, line)
        if reply is None:
            raise CodecError(f"{self.name}: {line!r} does not answer {command}")
        return reply

    def _check_done(self, line: str, reply: Reply) -> None:
        if reply.answer in (Answer.NOT_DONE, Answer.WRONG_PARAMETER):
            kind = BusyQuantosError if reply.code == wire.BUSY else RefusedByQuantosError
            raise kind(f"{self.name}: {line}: {reply.describe()}", reply.code)


class UnheardEndError(ActionFailedError):
    """A command began, and nobody heard how it ended."""


class RefusedByQuantosError(RefusedError):
    """Quantos said why not."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code


class BusyQuantosError(RefusedByQuantosError, BusyError):
    """Quantos is at another job."""


def _answering(command: str) -> Callable[[str], bool]:
    def answers(line: str) -> bool:
        try:
            return wire.parse_reply(command, line) is not None
        except DriverError:
            return True  # ES, ET and EL name no command

    return answers
