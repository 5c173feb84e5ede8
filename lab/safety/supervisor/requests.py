"""What may be asked of the supervisor over its socket; one table, one answer for each request.

Whoever can connect is this user or root (the server looks). Every request but ``beat``, ``bye`` and ``stopped`` is
answered.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lab.errors import LabError
from lab.safety.interlocks.expressions import Value
from lab.safety.judging.core import SafetyCore
from lab.safety.judging.desk import HANDLED, Answer, answer, refused
from lab.safety.people.roles import Role
from lab.safety.people.sessions import LoginThrottle
from lab.safety.supervisor.lab import DEVICES_ANSWER_S, LabPresence, Peer
from lab.safety.supervisor.outputs import Outputs
from lab.safety.supervisor.scan import Scanner
from lab.safety.supervisor.stop import Stopper

if TYPE_CHECKING:
    from lab.safety.people.users import UserStore

Message = Mapping[str, Any]

ALARMS = frozenset({"alarms", "ack", "shelve", "unshelve", "out-of-service", "in-service", "raise", "clear"})
"""Requests that touch nothing but the alarms and the audit log, which have locks of their own: a disk that hangs
under one of them delays no scan."""


SHOWN = frozenset({"state", "watch", "alarms", "modules", "hello", "stop"})
"""Requests that change nothing that a snapshot shows, and STOP, which shows what it did itself and waits for nobody."""


LONGEST_NAME = 64
MOST = 1e12
"""No number of a laboratory is larger; JSON knows some that no float can be."""


class Caller(Peer, Protocol):
    """A connection, with what it has asked for."""

    pid: int
    watching: bool


class BadRequestError(ValueError):
    """A request that means nothing; one sentence."""


class Requests:
    """Answers requests; called from one thread for each connection."""

    def __init__(
        self,
        core: SafetyCore,
        lock: threading.RLock,
        *,
        lab: LabPresence,
        outputs: Outputs,
        stopper: Stopper,
        scanner: Scanner,
        users: Path | None,
    ) -> None:
        self._core, self._lock, self._lab = core, lock, lab
        self._outputs, self._stopper, self._scanner, self._users = outputs, stopper, scanner, users
        self._throttle = LoginThrottle(time.monotonic)
        self._store: UserStore | None = None
        self._table: Mapping[str, Callable[[Caller, Message], Answer | None]] = {
            "state": lambda caller, message: {"ok": True, "state": self._scanner.snapshot},
            "watch": self._watch,
            "hello": self._hello,
            "beat": self._beat,
            "bye": self._bye,
            "stopped": self._stopped,
            "close": self._close,
            "open": lambda caller, message: self._outputs.open(_text(message, "output"), _text(message, "actor")),
            "stop": self._stop,
            "reset": lambda caller, message: self._outputs.reset({**message, "actor": _text(message, "actor")}),
            "rearm": self._rearm,
            "approve": self._approve,
            "modules": lambda caller, message: {"ok": True, "modules": sorted(sys.modules)},
        }

    def answer(self, caller: Caller, message: Message) -> Answer | None:
        """Answer one request; None where none is awaited."""
        try:
            found = self._table.get(_text(message, "do"))
            answered = found(caller, message) if found is not None else self._ask_desk(message)
        except BadRequestError as error:
            answered = refused(str(error))
        if answered is None:
            return None
        if str(message.get("do")) not in SHOWN:
            # Before the answer: whoever has changed something finds it changed when they look.
            self._scanner.publish()
        if "id" in answered:
            # In a message, ``id`` is the number of the request.
            answered = {**answered, "bypass": answered["id"]}
        return {**answered, "id": message.get("id")}

    def gone(self, caller: Caller) -> None:
        """A connection has closed."""
        self._lab.gone(caller)

    def _ask_desk(self, message: Message) -> Answer:
        verb = message.get("do")
        if verb not in HANDLED:
            return refused(f"nothing is called {verb!r}: there are {', '.join(sorted({*self._table, *HANDLED}))}")
        for name in message.keys() & {"key", "actor", "rule", "reason", "measure", "text", "guidance", "source"}:
            _text(message, name)
        if "for_s" in message:
            _number(message, "for_s")
        if verb in ALARMS:
            return answer(self._core, message)
        with self._lock:
            return answer(self._core, message)

    # -- the lab service

    def _watch(self, caller: Caller, message: Message) -> Answer:
        caller.watching = True
        return {"ok": True}

    def _hello(self, caller: Caller, message: Message) -> Answer:
        if message.get("role") != "lab":
            return refused(f"role is {message.get('role')!r}, and only the lab service says hello: role lab")
        why_not = self._lab.hello(caller, caller.pid, _texts(message, "devices"))
        return {"ok": True} if why_not is None else refused(why_not)

    def _beat(self, caller: Caller, message: Message) -> Answer | None:
        if self._lab.beat(caller, _values(message), _texts(message, "running")):
            return None
        return refused("this connection is not the lab service's: say hello first")

    def _bye(self, caller: Caller, message: Message) -> Answer | None:
        return None if self._lab.bye(caller) else refused("this connection is not the lab service's: nobody has left")

    def _stopped(self, caller: Caller, message: Message) -> None:
        why_not = None if message.get("ok") is True else str(message.get("why") or "it did not say why")
        self._lab.stopped(caller, _text(message, "device"), why_not)

    # -- outputs

    def _close(self, caller: Caller, message: Message) -> Answer:
        """Close an output; for the lab service alone, because leases and permissives are judged by its gateway."""
        output, actor, role = _text(message, "output"), _text(message, "actor"), _role(message)
        if not self._lab.look()[0]:
            return refused("the lab service is gone, and nothing hazardous starts without it")
        if not self._lab.is_process(caller.pid):
            return refused(
                f"process {caller.pid} is not this laboratory's service, whose gateway alone may close outputs: "
                "use athanor manual"
            )
        return self._outputs.close(output, actor, role)

    def _rearm(self, caller: Caller, message: Message) -> Answer:
        return self._outputs.rearm(_text(message, "module"), _text(message, "actor"), _role(message))

    def _stop(self, caller: Caller, message: Message) -> Answer:
        """STOP; with ``follow`` each acknowledgement is sent as it comes, and the answer waits for the devices'."""
        follow = message.get("follow") is True
        number = message.get("id")

        def tell(event: dict[str, Any]) -> None:
            if follow:
                caller.send({"id": number, "progress": event})

        stopped = self._stopper.stop(_claimed(message) or f"process {caller.pid}", tell)
        answered: Answer = {"ok": True, "stopped": True, "acknowledged": stopped.acknowledged}
        if follow:
            stopped.done.wait(DEVICES_ANSWER_S + 1.0)
            answered |= {"lab": stopped.lab, "devices": stopped.devices}
        return answered

    # -- bypasses

    def _approve(self, caller: Caller, message: Message) -> Answer:
        """Prove who approves before the lock is taken: that takes half a second of a core, on purpose."""
        name, secret = _text(message, "user"), _text(message, "secret")
        if self._users is None:
            return refused("this laboratory has no users, and a bypass needs one who is a safety officer: add one")
        wait_s = self._throttle.begin(name, "supervisor")
        if wait_s > 0:
            return refused(f"{name} was tried too often: wait {wait_s:.0f} s")
        try:
            proved = self._people().authenticate(name, secret)
        except LabError as error:
            return refused(str(error))
        if proved is not None:
            self._throttle.succeeded(name, "supervisor")
        if proved is None or Role.SAFETY_OFFICER not in proved.roles:
            return refused(f"{name} is no safety officer, or the secret is wrong: one must approve a bypass")
        try:
            with self._lock:
                self._core.approve_bypass(_text(message, "bypass"), name, Role.SAFETY_OFFICER)
        except LabError as error:
            return refused(str(error))
        return {"ok": True}

    def _people(self) -> UserStore:
        """One store for all approvals, so that its limit of hashes at once holds for all of them."""
        # Late: a process that scans needs no password hashes before somebody approves something.
        from lab.safety.people.users import UserStore

        with self._lock:
            if self._store is None and self._users is not None:
                self._store = UserStore(self._users)
        assert self._store is not None  # noqa: S101 - asked for only where there is a file
        return self._store


# ---------------------------------------------------------------- what a message holds


def _text(message: Message, name: str) -> str:
    found = message.get(name)
    # What cannot be printed, half a surrogate pair say, could not be written to any record either.
    if not isinstance(found, str) or not found.strip() or not found.isprintable():
        raise BadRequestError(f"{message.get('do')!r} came with {name} {found!r}: give a text, on one line")
    return found


def _claimed(message: Message) -> str | None:
    """Who stops, where a name can be read: a STOP is refused to nobody."""
    actor = message.get("actor")
    return actor[:LONGEST_NAME] if isinstance(actor, str) and actor.strip() and actor.isprintable() else None


def _role(message: Message) -> str | None:
    return None if message.get("role") is None else _text(message, "role")


def _number(message: Message, name: str) -> float:
    found = message.get(name)
    if isinstance(found, bool) or not isinstance(found, float | int) or not abs(found) < MOST:
        raise BadRequestError(f"{message.get('do')!r} came with {name} {found!r}: give a number")
    return float(found)


def _texts(message: Message, name: str) -> list[str]:
    found = message.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise BadRequestError(f"{message.get('do')!r} came with {name} {found!r}: give a list of names")
    return found


def _values(message: Message) -> dict[str, Value]:
    found = message.get("values", {})
    if not isinstance(found, dict):
        raise BadRequestError(f"beat came with values {found!r}: give signals with their values")
    # What is neither number nor switch is unknown, and unknown is unsafe: a beat is never refused for it.
    return {name: _value(value) for name, value in found.items()}


def _value(found: object) -> Value:
    if isinstance(found, bool):
        return found
    return float(found) if isinstance(found, int | float) and abs(found) < MOST else None
