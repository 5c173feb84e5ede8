"""One running laboratory for whoever asks it from outside: the console, the shell, programs.

Each method takes the person who asks and makes sure that the person may. Whatever may wait in lab time is done in a
task of the laboratory's clock, so that it also works where time jumps.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from lab.console.commands import Commands, settle
from lab.console.errors import NotAllowedError, NotThereError, RefusedError, UnavailableError
from lab.console.parts import Parts
from lab.console.person import Person
from lab.console.readings import Readings, plain, with_ages
from lab.safety.people.roles import Role

T = TypeVar("T")
State = dict[str, Any]

ACT_WITHIN_S = 30.0
"""Wall seconds that a request waits for the laboratory; what takes longer is a command."""


class LabService:
    """A facade of one laboratory; may be used from several threads."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._readings = Readings(parts.devices)
        self._commands = Commands(parts.clock.start)

    @property
    def lab(self) -> str:
        """The laboratory's name."""
        return self._parts.lab

    @property
    def world(self) -> str:
        """``real`` or ``simulated``."""
        return self._parts.world

    # -- looking

    def look(self) -> State:
        """Everything that is shown, as JSON; for the live state, which is given to those only who may look."""
        parts = self._parts
        leases = {device: lease.to_json() for device, lease in parts.leases.all().items()}
        locks = [plain(vars(lock)) for lock in parts.leases.lock_outs()]
        devices = {
            name: {
                "readings": readings,
                "lease": leases.get(name),
                "locked_out": [lock for lock in locks if lock["device"] == name],
                "held": parts.holds.why([name]),
            }
            for name, readings in self._readings().items()
        }
        return {
            "lab": parts.lab,
            "world": parts.world,
            "t": parts.clock.now(),
            "devices": devices,
            "armed": [armed.to_json() | {"token": None} for armed in parts.manual.armed()],
            "holds": plain(parts.holds.all()),
            "recipes": plain(parts.recipes()),
            "safety": plain(parts.watch.snapshot()),
        }

    def snapshot(self, person: Person) -> State:
        """Everything that is shown, with the age of each reading in lab seconds."""
        person.require("state")
        return with_ages(self.look())

    def alarms(self, person: Person, *, history: bool = False) -> State:
        """All alarms, and with `history` also those that are over."""
        person.require("alarms")
        return self._ask("alarms", history=history)

    def bypasses(self, person: Person) -> State:
        """The bypasses that are active or asked for."""
        person.require("bypasses")
        return {"bypasses": plain(self._parts.watch.snapshot().get("bypasses", []))}

    def audit_head(self, person: Person) -> State:
        """Number and hash of the newest audit record of the lab service: what to keep elsewhere."""
        person.require("audit")
        number, digest = self._parts.audit.head
        return {"n": number, "hash": digest, "file": str(self._parts.audit.path)}

    def lock_outs(self, person: Person) -> State:
        """All lock-outs."""
        person.require("state")
        return {"lock_outs": [plain(vars(lock)) for lock in self._parts.leases.lock_outs()]}

    def leases(self, person: Person) -> State:
        """Who has which device."""
        person.require("state")
        return {"leases": {device: lease.to_json() for device, lease in self._parts.leases.all().items()}}

    def command(self, person: Person, command_id: str) -> State:
        """How a command stands.

        Raises:
            NotThereError: Where there is none of that id.
        """
        person.require("state")
        return self._commands.find(command_id).to_json()

    # -- stopping

    def stop(self, actor: str) -> State:
        """Stop everything, for anybody.

        Raises:
            RefusedError: Where the supervisor did not take it.
        """
        return {"stopped": True, **self._ask("stop", actor=actor)}

    # -- driving by hand

    def take(self, person: Person, device: str) -> State:
        """Take a device by hand; what a recipe does there is held first."""
        person.require("take")
        taken = self._act("take", lambda: self._parts.manual.take(device, person.name, person.role))
        return taken.to_json()

    def renew(self, person: Person, lease: str) -> State:
        """Keep a lease of one's own."""
        person.require("take")
        self._check_own(person, lease)
        return self._parts.manual.renew(lease).to_json()

    def release(self, person: Person, lease: str) -> State:
        """Give a device back; no recipe goes on by that."""
        person.require("release")
        self._check_own(person, lease)
        notes = self._act("release", lambda: self._parts.manual.release(lease))
        return {"released": lease, "notes": list(notes)}

    def arm(self, person: Person, lease: str, device: str, verb: str, value: str | None = None) -> State:
        """Say what a command would do and what stands against it; the value is text with its unit."""
        person.require("arm")
        self._check_own(person, lease)
        return self._act("arm", lambda: self._parts.manual.arm(lease, device, verb, value)).to_json()

    def execute(self, person: Person, token: str) -> State:
        """Give a command that was armed, without waiting for its end."""
        person.require("execute")
        armed = next((armed for armed in self._parts.manual.armed() if armed.token == token), None)
        if armed is not None and armed.hazard != "low":
            person.require(f"execute-{armed.hazard}")
        what = "a command that is not armed" if armed is None else f"{armed.device} {armed.text}"
        work = self._parts.manual.execute
        return self._commands.begin(person.name, what, lambda: work(token, person.name)).to_json()

    # -- recipes

    def hold(self, person: Person, what: str, reason: str) -> State:
        """Have the work at a device, of a sample or of the campaign wait before its next step."""
        person.require("hold")
        self._act("hold", lambda: self._parts.manual.hold(what, person.name, reason))
        return {"held": what}

    def resume(self, person: Person, what: str) -> State:
        """Have it go on; at a device, after the rules were asked again."""
        person.require("resume")
        self._act("resume", lambda: self._parts.manual.resume(what, person.name, person.role))
        return {"resumed": what}

    # -- lock-outs

    def lock_out(self, person: Person, device: str, reason: str) -> State:
        """Keep everybody from starting anything at a device, until the same person takes the lock off."""
        person.require("lock-out")
        self._check_device(device)
        lock = self._parts.leases.lock_out(device, person.name, reason)
        self._note("lock-out", person, device, reason=reason)
        return dict(plain(vars(lock)))

    def remove_lock_out(self, person: Person, device: str, of: str | None = None) -> State:
        """Take one's lock off, or as a safety officer somebody else's."""
        person.require("remove-lock-out")
        if of not in (None, person.name) and Role.SAFETY_OFFICER not in person.roles:
            raise NotAllowedError(f"the lock on {device} is {of}'s: {of} or a safety officer takes it off")
        self._parts.leases.remove(device, person.name, of=of)
        self._note("lock-out-removed", person, device, before=of or person.name)
        return {"removed": device, "left": [lock.describe() for lock in self._parts.leases.lock_outs(device)]}

    # -- alarms

    def acknowledge(self, person: Person, key: str) -> State:
        """Say that one has seen an alarm."""
        return self._order(person, "acknowledge", "ack", key=key)

    def shelve(self, person: Person, key: str, for_s: float, reason: str) -> State:
        """Silence an alarm for a while."""
        return self._order(person, "shelve", "shelve", key=key, for_s=for_s, reason=reason)

    def unshelve(self, person: Person, key: str) -> State:
        """Have a shelved alarm back."""
        return self._order(person, "unshelve", "unshelve", key=key)

    def out_of_service(self, person: Person, key: str, reason: str) -> State:
        """Take an alarm out of service."""
        return self._order(person, "out-of-service", "out-of-service", key=key, reason=reason)

    def in_service(self, person: Person, key: str) -> State:
        """Have an alarm in service again."""
        return self._order(person, "in-service", "in-service", key=key)

    # -- bypasses and trips

    def request_bypass(self, person: Person, rule: str, reason: str, for_s: float, measure: str) -> State:
        """Ask for a rule to be suspended; another person, a safety officer, must approve."""
        return self._order(person, "request-bypass", "bypass", rule=rule, reason=reason, for_s=for_s, measure=measure)

    def approve_bypass(self, person: Person, bypass: str, approver: str, secret: str) -> State:
        """Suspend the rule. The supervisor itself makes sure of the approver, whoever's screen it is."""
        return self._order(person, "bypasses", "approve", bypass=bypass, user=approver, secret=secret)

    def end_bypass(self, person: Person, bypass: str) -> State:
        """Have a rule act again."""
        return self._order(person, "end-bypass", "end-bypass", bypass=bypass)

    def reset(self, person: Person) -> State:
        """Clear what is latched and has no cause any more; what was on stays off."""
        return self._order(person, "reset", "reset", role=person.role)

    def rearm(self, person: Person, module: str) -> State:
        """Arm the watchdog of a safety module again."""
        return self._order(person, "reset", "rearm", module=module, role=person.role)

    # -- inside

    def _order(self, person: Person, action: str, do: str, **fields: object) -> State:
        """Have the supervisor do something in a person's name."""
        person.require(action)
        return self._act(do, lambda: self._ask(do, actor=person.name, **fields))

    def _ask(self, do: str, **fields: object) -> State:
        """Ask the supervisor.

        Raises:
            RefusedError: With its reasons.
        """
        answer = dict(self._parts.watch.request({"do": do, **fields}))
        if answer.pop("ok", False) is not True:
            reasons = [str(reason) for reason in answer.get("reasons") or ["the safety supervisor gave no reason"]]
            raise RefusedError(f"{do} was refused: {'; '.join(reasons)}", reasons)
        return dict(plain(answer))

    def _act(self, name: str, work: Callable[[], T]) -> T:
        """Do something in a task of the laboratory's clock, and wait for it."""
        answer: Future[T] = Future()
        self._parts.clock.start(f"console {name}", lambda: settle(answer, work))
        try:
            return answer.result(ACT_WITHIN_S)
        except TimeoutError:
            raise UnavailableError(
                f"{name} was not done within {ACT_WITHIN_S:g} s and may be done yet: look at the state"
            ) from None

    def _note(self, action: str, person: Person, device: str, **fields: Any) -> None:
        session = person.session
        self._parts.audit.try_write(action, who=person.name, role=person.role, session=session, device=device, **fields)

    def _check_device(self, device: str) -> None:
        if device not in self._parts.devices:
            known = ", ".join(self._parts.devices)
            raise NotThereError(f"no device is named {device!r}: there are {known}")

    def _check_own(self, person: Person, lease_id: str) -> None:
        """Make sure that a lease is the person's: its id alone gives no right to it."""
        lease = self._parts.leases.find(lease_id)
        if lease is not None and lease.holder != person.name:
            raise NotAllowedError(f"lease {lease_id} is {lease.holder}'s, not {person.name}'s")
