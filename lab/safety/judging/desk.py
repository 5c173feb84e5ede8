"""Answers what people ask of the safety core: state, reset, stop, alarms, bypasses.

One request is one JSON object with ``do``; the answer has ``ok``, and ``reasons`` where it is not. What needs
the wires (closing, opening, re-arming) belongs to whoever owns them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.safety.judging.core import SafetyCore
from lab.safety.people.roles import Role

if TYPE_CHECKING:
    from lab.safety.people.users import UserStore

Answer = dict[str, Any]
Request = Mapping[str, Any]


def answer(core: SafetyCore, request: Request, users: UserStore | None = None) -> Answer:
    """Answer one request; raises nothing for a refusal.

    Args:
        core: What is asked about; the caller holds its lock.
        request: ``{"do": ..., ...}`` as the console, the shell or the lab service wrote it.
        users: Who may approve a bypass; None: nobody can.
    """
    verb = request.get("do")
    handler = _HANDLERS.get(str(verb))
    if handler is None:
        return refused(f"nothing is called {verb!r}: there are {', '.join(HANDLED)}")
    try:
        return {"ok": True, **(handler(core, request, users) or {})}
    except KeyError as missing:
        return refused(f"{verb} came without {missing.args[0]}: add it")
    except LabError as error:
        return refused(str(error))


def refused(*reasons: str) -> Answer:
    """A refusal with its reasons."""
    return {"ok": False, "reasons": list(reasons)}


def _state(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    return {"state": core.snapshot()}


def _reset(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    given = request.get("seen")
    if given is not None and not are_latches(given):
        return refused(f"reset came with seen {given!r}: give a list of latches as [cause, at_s]")
    seen = None if given is None else {(cause, at_s) for cause, at_s in given}
    reasons = core.reset(str(request["actor"]), request.get("role"), seen=seen)
    return {"ok": not reasons, "reasons": list(reasons)}


def are_latches(given: object) -> bool:
    """Whether something is a list of ``[cause, at_s]``, as a reset names what it has seen."""
    return isinstance(given, list | tuple) and all(
        isinstance(latch, list | tuple)
        and len(latch) == 2
        and isinstance(latch[0], str)
        and isinstance(latch[1], int | float)
        for latch in given
    )


def _stop(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.stop(str(request.get("actor") or "somebody"))
    return {}


def _alarms(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    found = core.alarms.list(include_history=bool(request.get("history")))
    return {"alarms": [alarm.to_json() for alarm in found], "summary": core.alarms.summary()}


def _ack(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.alarms.acknowledge(request["key"], request["actor"])
    core.audit.try_write("alarm-acknowledged", who=request["actor"], device=request["key"])
    return {}


def _shelve(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.alarms.shelve(request["key"], request["actor"], float(request["for_s"]), request["reason"])
    core.audit.try_write("alarm-shelved", who=request["actor"], device=request["key"], reason=request["reason"])
    return {}


def _unshelve(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.alarms.unshelve(request["key"], request["actor"])
    return {}


def _take_out(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.alarms.take_out(request["key"], request["actor"], request["reason"])
    core.audit.try_write("alarm-out", who=request["actor"], device=request["key"], reason=request["reason"])
    return {}


def _put_back(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.alarms.put_back(request["key"], request["actor"])
    return {}


def _raise(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.alarms.raise_(
        _lab_key(request["key"]),
        text=request["text"],
        guidance=request["guidance"],
        priority=request["priority"],
        source=request["source"],
    )
    return {}


def _clear(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.alarms.clear(_lab_key(request["key"]))
    return {}


def _lab_key(key: str) -> str:
    """Alarms of the lab service have names of their own: it can neither hide nor clear one of safety's."""
    return f"lab:{key.removeprefix('lab:')}"


def _bypass(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    found = core.request_bypass(
        request["rule"],
        reason=request["reason"],
        who=request["actor"],
        for_s=float(request["for_s"]),
        measure=request["measure"],
    )
    return {"bypass": found}


def _approve(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    name = str(request["user"])
    user = None if users is None else users.authenticate(name, str(request["secret"]))
    if user is None or Role.SAFETY_OFFICER not in user.roles:
        return refused(f"{name} is no safety officer, or the secret is wrong: a safety officer must approve a bypass")
    core.approve_bypass(str(request["bypass"]), name, Role.SAFETY_OFFICER)
    return {}


def _end_bypass(core: SafetyCore, request: Request, users: UserStore | None) -> Answer:
    core.end_bypass(str(request["bypass"]), str(request["actor"]))
    return {}


_HANDLERS: Mapping[str, Callable[[SafetyCore, Request, UserStore | None], Answer | None]] = {
    "state": _state,
    "reset": _reset,
    "stop": _stop,
    "alarms": _alarms,
    "ack": _ack,
    "shelve": _shelve,
    "unshelve": _unshelve,
    "out-of-service": _take_out,
    "in-service": _put_back,
    "raise": _raise,
    "clear": _clear,
    "bypass": _bypass,
    "approve": _approve,
    "end-bypass": _end_bypass,
}
HANDLED = tuple(_HANDLERS)
