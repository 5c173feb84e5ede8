"""``athanor manual``: drives one device by hand; the lease lives as long as this shell does.

With a verb: takes the device, arms, shows what stands against it, asks, executes, and holds the device until Ctrl-C.
Without one: a prompt. A shell that is closed lets its lease lapse, and the device goes to its declared state.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lab.cli.errors import FAILED, sentences
from lab.errors import LabError, UsageError

if TYPE_CHECKING:
    from lab.console.client import LabClient

RENEW_S = 8.0
"""Wall seconds between signs of life; a lease lives for thirty."""
DONE_WITHIN_S = 3600.0
"""Wall seconds for which the end of a command is waited for."""
SHOW_S = 10.0
"""Wall seconds between two looks at a device that is held."""

INTERRUPTED = 130
"""What shells expect of a command that Ctrl-C ended."""

State = dict[str, Any]
Say = Callable[[str], object]
Connect = Callable[[], "LabClient"]


@dataclass(frozen=True)
class Wishes:
    """How one command is to be given."""

    yes: bool = False
    """Execute without asking."""
    release: bool = False
    """Give the device back at once."""
    hold_s: float | None = None
    """Give it back after so many wall seconds; None: at Ctrl-C."""
    as_json: bool = False


def drive(
    device: str,
    words: Sequence[str] = (),
    *,
    yes: bool = False,
    release: bool = False,
    hold: str | None = None,
    data: Path | None = None,
    as_json: bool = False,
    connect: Connect | None = None,
    ask: Callable[[str], str] = input,
) -> None:
    """Drive a device by one command, or from a prompt where there are no words."""
    with sentences():
        wishes = Wishes(yes, release, _hold_s(hold, release=release), as_json)
        if as_json and not (words and yes):
            raise UsageError("--json: nobody can be asked then: give a verb and --yes")
        service = (connect or _finding(data))()
        try:
            with _taken(service, device, say=_quiet if as_json else _say) as lease:
                if words:
                    _give(service, lease, device, words, wishes, ask)
                else:
                    _prompt(service, lease, device, ask)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None


def _finding(data: Path | None) -> Connect:
    def connect() -> LabClient:
        from lab.console.client import find_lab

        return find_lab(data)

    return connect


def _hold_s(hold: str | None, *, release: bool) -> float | None:
    if hold is None:
        return None
    if release:
        raise UsageError("--hold and --release exclude each other: give one of them")
    from protocols.quantities import QuantityError, parse_quantity

    try:
        return parse_quantity(hold, "s")
    except QuantityError as error:
        raise UsageError(f"--hold: {error}") from None


# ---------------------------------------------------------------- the lease


class Alive(threading.Thread):
    """Renews a lease for as long as this process lives."""

    def __init__(self, service: LabClient, lease: str, *, every_s: float = RENEW_S) -> None:
        super().__init__(name="sign of life", daemon=True)
        self._service, self._lease, self._every_s = service, lease, every_s
        self._over = threading.Event()
        self.lost: str | None = None
        """Why the lease is no more, where that is so."""

    def run(self) -> None:
        """Renew until the end; a service that does not answer is asked again, one that refuses is not."""
        from lab.console.client import ServiceGoneError

        while not self._over.wait(self._every_s):
            try:
                self._service.renew(self._lease)
            except ServiceGoneError:
                continue
            except LabError as error:
                self.lost = str(error)
                return

    def end(self) -> None:
        """Renew no more."""
        self._over.set()
        self.join()


@dataclass(frozen=True)
class Held:
    """A lease that is being renewed."""

    id: str
    alive: Alive
    verbs: tuple[str, ...]
    notes: tuple[str, ...]

    def check(self) -> None:
        """Make sure that the device is still ours.

        Raises:
            LabError: Where it is not, and why.
        """
        if self.alive.lost is not None:
            raise LabError(self.alive.lost)


@contextmanager
def _taken(service: LabClient, device: str, *, say: Say) -> Iterator[Held]:
    """Take a device, and give it back at the end."""
    taken = service.take(device)
    lease = Held(taken["id"], Alive(service, taken["id"]), tuple(taken["verbs"]), tuple(taken["notes"]))
    for note in lease.notes:
        say(note)
    lease.alive.start()
    try:
        yield lease
    finally:
        lease.alive.end()
        if lease.alive.lost is None:
            _give_back(service, lease, device, say)


def _give_back(service: LabClient, lease: Held, device: str, say: Say) -> None:
    try:
        notes = service.release(lease.id).get("notes", ())
    except LabError as error:
        sys.stderr.write(f"athanor: {device} was not given back, and its lease lapses: {error}\n")
        return
    for note in notes:
        say(note)
    say(f"{device} is given back; what waits for it goes on with `athanor resume {device}`")


# ---------------------------------------------------------------- one command


def _give(
    service: LabClient, lease: Held, device: str, words: Sequence[str], wishes: Wishes, ask: Callable[[str], str]
) -> None:
    say = _quiet if wishes.as_json else _say
    armed = service.arm(lease.id, device, words[0], " ".join(words[1:]) or None)
    _show(armed, say)
    if armed["denied"]:
        _end(armed, "denied: " + "; ".join(armed["denied"]), wishes)
    if not wishes.yes and not _agreed(armed, ask):
        say("nothing was done")
        return
    lease.check()
    command = service.finished(service.execute(armed["token"])["command"], within_s=DONE_WITHIN_S)
    if command["phase"] == "failed":
        _end(armed, command["error"], wishes)
    result: State = command["result"] if command["phase"] == "done" else {"done": False, "notes": []}
    for note in result["notes"]:
        say(note)
    say(f"{armed['command']}: {'done' if result['done'] else 'under way'}")
    if wishes.as_json:
        told = {"device": armed["device"], "command": armed["command"], "done": result["done"], "denied": []}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    if not wishes.release:
        _stay(service, lease, device, wishes)


def _end(armed: State, why: str, wishes: Wishes) -> NoReturn:
    """End as a command that failed."""
    if wishes.as_json:
        told = {"device": armed["device"], "command": armed["command"], "done": False, "denied": armed["denied"]}
        sys.stdout.write(json.dumps({**told, "error": why}) + "\n")
    sys.stderr.write(f"athanor: {armed['device']}: {armed['command']} was not done: {why}\n")
    raise SystemExit(FAILED)


def _stay(service: LabClient, lease: Held, device: str, wishes: Wishes) -> None:
    """Hold the device until Ctrl-C, or for as long as was wished."""
    say = _quiet if wishes.as_json else _say
    until_s = None if wishes.hold_s is None else time.monotonic() + wishes.hold_s
    say(f"{device} is yours until Ctrl-C" if until_s is None else f"{device} is yours for {wishes.hold_s:g} s")
    try:
        while until_s is None or time.monotonic() < until_s:
            left_s = SHOW_S if until_s is None else until_s - time.monotonic()
            lease.alive.join(max(0.0, min(SHOW_S, left_s)))
            lease.check()
            say(live(service.state(), device))
    except KeyboardInterrupt:
        say("")


def _agreed(armed: State, ask: Callable[[str], str]) -> bool:
    try:
        return ask(f"{armed['device']}: {armed['command']}? [y/N] ").strip().lower() in {"y", "yes"}
    except (EOFError, KeyboardInterrupt):
        return False


def _show(armed: State, say: Say) -> None:
    """What a command would do, and every rule that it must meet, with live values."""
    say(f"{armed['device']}: {armed['command']} (hazard: {armed['hazard']})")
    for condition in armed["conditions"]:
        mark = (
            "BYPASSED" if condition["bypassed"] else {True: "met", False: "NOT MET"}.get(condition["holds"], "UNKNOWN")
        )
        say(f"  {mark:8} {condition['rule']}: {', '.join(condition['seen'])}")
    for reason in armed["denied"]:
        say(f"  DENIED   {reason}")


# ---------------------------------------------------------------- the prompt


def _prompt(service: LabClient, lease: Held, device: str, ask: Callable[[str], str]) -> None:
    """Commands line by line until ``release``, the end of the input or Ctrl-C."""
    _say("commands: " + "; ".join(lease.verbs) + "; release")
    while True:
        lease.check()
        _say(live(service.state(), device))
        try:
            words = ask(f"{device}> ").split()
        except (EOFError, KeyboardInterrupt):
            _say("")
            return
        if words == ["release"]:
            return
        if words:
            _one_line(service, lease, device, words, ask)


def _one_line(service: LabClient, lease: Held, device: str, words: list[str], ask: Callable[[str], str]) -> None:
    """Give one command; what is wrong with it is told, and the prompt goes on."""
    try:
        armed = service.arm(lease.id, device, words[0], " ".join(words[1:]) or None)
        _show(armed, _say)
        if armed["denied"] or not _agreed(armed, ask):
            return
        command = service.finished(service.execute(armed["token"])["command"], within_s=DONE_WITHIN_S)
    except LabError as error:
        lease.check()
        _say(str(error))
        return
    done = command["phase"] == "done" and command["result"]["done"]
    _say(command["error"] or f"{armed['command']}: {'done' if done else 'under way'}")


def live(state: State, device: str) -> str:
    """What a device was last seen at, in one line."""
    readings = state["devices"][device]["readings"]
    return ", ".join(_reading(name, reading) for name, reading in readings.items() if name != "comm_ok") or device


def _reading(name: str, reading: State) -> str:
    value, unit = reading["value"], reading.get("unit") or ""
    shown = "unknown" if value is None else f"{value:g}" if isinstance(value, float) else str(value) or "-"
    words = name.removesuffix(f"_{unit.lower()}").removesuffix("_percent").replace("_", " ")
    return f"{words} {shown} {unit}".rstrip() if value is not None else f"{words} {shown}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _quiet(text: str) -> None:
    """Say nothing: with --json nothing else goes to standard output."""
