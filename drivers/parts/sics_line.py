"""How one talks to an instrument that speaks MT-SICS: questions, commands that are answered at once, lists of lines.

No line has a checksum, so what seldom changes is asked again where it is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ophyd import Component

from drivers.codecs import mt_sics as sics
from drivers.errors import BusyError, LinkError, WrongInstrumentError, about
from drivers.gate import Granted
from drivers.parts.agreement import agreed
from drivers.parts.one_at_a_time import OneAtATime
from drivers.signals import Reading

T = TypeVar("T")

AT_ONCE = 5.0
"""After so many of the link's timeouts a balance at rest has answered a command, or does not."""
NEXT_LINE = 2.0
"""After so many of the link's timeouts the next line of a reply of many lines has come, or does not."""
REPLY_S = 20.0
"""Wall seconds for all lines of a reply."""


class SicsLine(OneAtATime):
    """What all verbs of a balance, or of what has one inside, are made of."""

    serial = Component(Reading, value="", kind="normal")
    """Of the balance that was recognized."""

    def _if_new(self, ask: Callable[[], T], known: T, what: str) -> T:
        """Ask for what seldom changes: for want of a checksum, what is new is believed when it comes twice."""
        found = ask()
        return found if found == known else agreed(ask, what)

    def _cancel(self, grant: Granted) -> None:
        """Have the balance give up whatever it waits for; it keeps its tare."""
        self._tell_balance(sics.CANCEL, grant)

    def _tell_balance(self, line: str, grant: Granted) -> str:
        """Command what is answered at once, and give the answer."""
        return self.link.act(line, grant, accepts=answering(line), timeout_s=AT_ONCE * self.link.timeout_s)

    def _ask_text(self, command: str) -> str:
        line = self._query(command)
        self._check_free(command, line)
        return self._parsed(lambda: sics.parse_text(command, line))

    def _ask_lines(self, command: str) -> list[str]:
        """Ask for a list, each line of which has its deadline, and all of them another."""
        first = self._query(command)
        self._check_free(command, first)
        return self._read_until(command, first, sics.is_last, answering(command))

    def _check_free(self, command: str, line: str) -> None:
        if sics.is_busy(line):
            raise BusyError(f"{self.name}: {command}: is at something else ({line.strip()}): is somebody at its keys?")

    def _query(self, command: str, accepts: Callable[[str], bool] | None = None) -> str:
        accepts = accepts or answering(command)
        line = self.link.query(command, accepts=accepts)
        if sics.is_general_error(line):
            # Once more: a question that was garbled on its way is answered with ES, and no line has a checksum.
            line = self.link.query(command, accepts=accepts)
        if not self._failures:
            self._seen()
        return line

    def _read_until(
        self, command: str, first: str, is_last: Callable[[str], bool], belongs: Callable[[str], bool]
    ) -> list[str]:
        lines, give_up_s = [first], time.monotonic() + REPLY_S
        while not is_last(lines[-1]):
            line = (
                self.link.read_line(NEXT_LINE * self.link.timeout_s, accepts=belongs)
                if time.monotonic() < give_up_s
                else None
            )
            if line is None:
                self.link.close()
                raise LinkError(f"{self.name}: the reply to {command} broke off after {len(lines)} lines")
            lines.append(line)
        return lines

    def _recognize(self, meant: str | None) -> str:
        """Ask for the serial number, and make sure that it is the one that is meant, or that was met first.

        Raises:
            WrongInstrumentError: When it is another balance.
        """
        known = meant or self.serial.get()
        serial = self._ask_text(sics.ASK_SERIAL)
        if serial != known:
            # Again, because no line has a checksum.
            serial = agreed(lambda: self._ask_text(sics.ASK_SERIAL), f"{self.name}: {sics.ASK_SERIAL}")
        if known not in ("", serial):
            raise WrongInstrumentError(
                f"{self.name}: balance {serial} answers at {self.link.url}, and {known} is meant: is the cable "
                "in the right socket? After a replacement restart the laboratory"
            )
        self._publish(serial=serial)
        return serial

    def _parsed(self, parse: Callable[[], T]) -> T:
        with about(self.name):
            return parse()


def answering(command: str) -> Callable[[str], bool]:
    """Give what tells the reply to a command from what came by itself."""
    return lambda line: sics.answers(command, line)
