"""Whether outputs do what they are told: every order to open is verified by read-back, and so is agreement.

told to open, and still closed `OPEN_WITHIN_S` later      alarm: contactor welded or module deaf
told closed and found open for `MISMATCH_S`               trip: what opened it may close it again by itself
told open and found closed for `MISMATCH_S`               trip, and the alarm above when that changes nothing
watchdog expired                                          trip: a person must re-arm it first
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lab.safety.interlocks.rules import Output
from lab.safety.supervisor.modules import FEEDBACK, Sight, WatchedModule

OPEN_WITHIN_S = 0.5
"""Wall seconds in which a contactor that is told to open must be seen open."""
MISMATCH_S = 0.3
"""Wall seconds in which a contactor must have followed its coil."""
DROP_OUT_S = 0.05
"""Wall seconds that a contactor needs to open: what was read earlier proves nothing."""


@dataclass(frozen=True)
class Trouble:
    """A cause to trip for."""

    cause: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Unopened:
    """An output that was told to open and is not seen open; `why` is None once it is."""

    output: str
    why: str | None

    @property
    def key(self) -> str:
        """Of the alarm."""
        return f"open:{self.output}"

    @property
    def stop_key(self) -> str:
        """Of the alarm that a STOP raises where nobody acknowledges that this output opens."""
        return stop_key(self.output)


class OutputChecks:
    """Remembers what was told to whom, and compares it with what is read."""

    def __init__(self, modules: Iterable[WatchedModule]) -> None:
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._told_s: dict[str, float] = {}
        self._alarmed: set[str] = set()
        """Outputs that somebody has been told about, and must be told when they open at last."""
        self._overdue: set[str] = set()
        """Those of them that have been looked into."""
        self._differs_since_s: dict[str, float] = {}

    def told_open(self, outputs: Iterable[str], now_s: float) -> None:
        """Note that outputs were told to open at monotonic `now_s`."""
        with self._lock:
            for output in outputs:
                self._told_s.setdefault(output, now_s)

    def told_closed(self, output: str) -> None:
        """Note that an output is about to be closed: what it was told before does not hold any more."""
        with self._lock:
            self._told_s.pop(output, None)
            self._overdue.discard(output)

    def unproved(self, output: str) -> bool:
        """Whether an output that was told to open has not been seen open; somebody is told about it then."""
        with self._lock:
            if output in self._told_s:
                self._alarmed.add(output)
            return output in self._told_s

    def unopened(self, now_s: float) -> list[Unopened]:
        """What has changed: outputs that should be open and are not, and those that are at last."""
        found = []
        with self._lock:
            for module, output in self._outputs():
                told_s = self._told_s.get(output.name)
                if told_s is None:
                    continue
                if _is_seen_open(module.sight, output, told_s):
                    del self._told_s[output.name]
                    self._overdue.discard(output.name)
                    if output.name in self._alarmed:
                        self._alarmed.remove(output.name)
                        found.append(Unopened(output.name, None))
                elif now_s - told_s > OPEN_WITHIN_S and output.name not in self._overdue:
                    self._overdue.add(output.name)
                    self._alarmed.add(output.name)
                    found.append(Unopened(output.name, _why_not_open(module, output, told_s, now_s)))
        return found

    def troubles(self, now_s: float) -> list[Trouble]:
        """Everything that is no rule's and must trip, as it stands now."""
        return [*self._expired(), *self._mismatches(now_s)]

    def _expired(self) -> Iterator[Trouble]:
        for module in self._modules:
            if module.expired:
                yield Trouble(f"watchdog of {module.name} expired", tuple(module.outputs))

    def _mismatches(self, now_s: float) -> Iterator[Trouble]:
        for module, output in self._outputs():
            sight = module.sight
            coil, contact = (False, False) if sight is None else states(sight, output)
            if coil == contact or sight is None or now_s - sight.begun_s > MISMATCH_S:
                # What is not seen now is judged by its age, elsewhere.
                self._differs_since_s.pop(output.name, None)
            elif sight.begun_s - self._differs_since_s.setdefault(output.name, sight.begun_s) >= MISMATCH_S:
                yield Trouble(mismatch(output.name, told_closed=coil), (output.name,))

    def _outputs(self) -> Iterator[tuple[WatchedModule, Output]]:
        for module in self._modules:
            for output in module.outputs.values():
                yield module, output


def stop_key(name: str) -> str:
    """Of the alarm of an output or a device that did not acknowledge a STOP."""
    return f"stop:{name}"


def states(sight: Sight, output: Output) -> tuple[bool, bool]:
    """What an output is told to be, and what it is; only the contactor has a contact that tells."""
    number = int(output.channel[2:]) - 1
    coil = sight.reading.coils[number]
    return coil, sight.reading.inputs[FEEDBACK] if number == 0 else coil


def mismatch(output: str, *, told_closed: bool) -> str:
    """The cause of a trip for an output that is not as it is told to be.

    >>> mismatch("f1.heater", told_closed=True)
    'command mismatch: f1.heater is told to be closed and is open'
    """
    told, found = ("closed", "open") if told_closed else ("open", "closed")
    return f"command mismatch: {output} is told to be {told} and is {found}"


def _is_seen_open(sight: Sight | None, output: Output, told_s: float) -> bool:
    return sight is not None and sight.begun_s > told_s + DROP_OUT_S and states(sight, output) == (False, False)


def _why_not_open(module: WatchedModule, output: Output, told_s: float, now_s: float) -> str:
    after_s = now_s - told_s
    sight = module.sight
    if sight is None or sight.begun_s <= told_s:
        return f"{output.name}: {module.name} was told {after_s:.1f} s ago to open it and is deaf: {module.error}"
    coil, contact = states(sight, output)
    if contact and not coil:
        return f"{output.name}: was told {after_s:.1f} s ago to open and is closed: its contactor is welded"
    return f"{output.name}: was told {after_s:.1f} s ago to open and {module.name} keeps it closed"


def alarm_guidance(outputs: Mapping[str, Output], output: str) -> str:
    """What to do where an output does not open."""
    return f"switch off the supply of {output} by hand, then look at {outputs[output].device} and its contactor"
