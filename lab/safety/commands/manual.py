"""Driving a device by hand: take it, arm a command, execute it, give it back; the interlocks hold all the while.

    take     the recipe that works there waits before its next step, a programme that runs is put on hold where it
             stands, and the device is one person's for as long as the lease is renewed
    arm      says what a command would do and what stands against it, for half a minute (`lab.safety.commands.arming`)
    execute  judges again, and does exactly what was armed, once
    release  gives the device back; nothing goes on by that
    resume   has the programme and the recipe go on, after the rules were asked again

A lease that lapses takes the device to its declared state (`lab.safety.commands.unattended`). So does giving back a
furnace that is kept hot by no recipe: nothing stays energised with nobody answering for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.clock import Clock, JumpClock
from drivers.gate import CommandDeniedError, DriverError
from lab.errors import LabError
from lab.safety.commands.arming import Armed, Arming
from lab.safety.commands.gateway import Gateway, Log
from lab.safety.commands.hands import Hands, ManualError
from lab.safety.commands.holds import MANUAL, Holds
from lab.safety.commands.judgement import RESET_FIRST, stopped_by
from lab.safety.commands.leases import Lease, LeaseBook, LeaseError, Mode
from lab.safety.commands.unattended import OnLeaseLoss, Unattended
from lab.safety.judging.watch import Watch

__all__ = ["Armed", "ManualControl", "ManualError", "OnLeaseLoss", "Taken"]

DONE_WITHIN_S = 3600.0
"""Lab seconds that a command may take before its execution is told to be still under way."""
HELD_WITHIN_S = 60.0
"""Lab seconds within which a programme must be on hold, or go on, after it was told to."""
TICK_S = 0.5
"""Wall seconds between looks for leases that have lapsed."""


@dataclass(frozen=True)
class Taken:
    """A device in somebody's hands."""

    lease: Lease
    verbs: tuple[str, ...]
    """How each command is written."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """For the console and the shell."""
        return {**self.lease.to_json(), "verbs": list(self.verbs), "notes": list(self.notes)}


class ManualControl:
    """Lets people drive the devices of one laboratory; may be used from several threads."""

    def __init__(
        self,
        devices: Mapping[str, Any],
        gateway: Gateway,
        leases: LeaseBook,
        watch: Watch,
        clock: Clock,
        journal: Log,
        holds: Holds,
        *,
        on_lease_loss: Mapping[str, OnLeaseLoss] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; leases that lapse are looked for after `start`.

        Args:
            devices: Every device of the laboratory.
            gateway: That of the devices.
            leases: Those of the gateway.
            watch: That of the gateway.
            clock: Lab time.
            journal: Where it is noted who drove what.
            holds: What recipes ask before each step.
            on_lease_loss: What devices do whose person is gone; made safe at once where it does not say.
            now: Wall seconds, those of the leases.
        """
        self._gateway, self._leases, self._watch, self._holds = gateway, leases, watch, holds
        self._clock, self._journal = clock, journal
        self._hands = Hands(devices, gateway, clock)
        self._arming = Arming(self._hands, watch, now)
        self._unattended = Unattended(self._hands, on_lease_loss or {}, self._alarm)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._alarmed: set[str] = set()
        self._thread: threading.Thread | None = None

    # -- life

    def start(self) -> None:
        """Look for leases that lapse, from now on; nobody has any where time jumps."""
        if not isinstance(self._clock, JumpClock):
            self._thread = threading.Thread(target=self._watch_leases, name="leases by hand", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    # -- taking and giving back

    def take(self, device: str, user: str, role: str | None = None) -> Taken:
        """Give a device to a person, without bumping it.

        Raises:
            ManualError: For a device that cannot be driven by hand, or where time jumps.
            LeaseError: Where another person has it.
        """
        self._check(device)
        with self._lock:
            before = self._holds.all().get(device, {}).get(MANUAL)
            # First the recipe waits, then the device changes hands: nothing of the recipe is refused in between.
            self._hold(device, f"{device} is driven by {user}")
            try:
                lease = self._leases.take(user, Mode.MANUAL, {device}, role=role)
            except LeaseError:
                self._hold(device, before)
                raise
            self._unattended.attend(device)
        self._calm(device)
        notes = tuple(self._freeze(device, lease))
        self._note("manual-taken", lease, device)
        return Taken(lease, tuple(verb.usage for verb in self._hands.verbs(device).values()), notes)

    def renew(self, lease_id: str) -> Lease:
        """Say that the person is still there.

        Raises:
            LeaseError: Where the lease has ended.
        """
        return self._leases.renew(lease_id)

    def release(self, lease_id: str) -> tuple[str, ...]:
        """Give back what a lease holds; gives what happens to the devices now, in sentences.

        Raises:
            LeaseError: Where the lease has ended already.
        """
        lease = self._leases.renew(lease_id)
        held = [device for device in sorted(lease.devices) if self._leases.why_stale(lease_id, device) is None]
        self._leases.release(lease_id)
        self._arming.disarm(lease_id)
        for device in held:
            self._hold(device, f"{device} was driven by {lease.holder}: somebody must resume it")
        notes = tuple(self._leave(device, lease) for device in held if self._is_left_hot(device))
        # Everything is on its way to safety before anything is written: a full disk keeps no furnace hot.
        for device in held:
            self._try_note("manual-released", lease, device)
        return notes

    # -- holding and resuming

    def hold(self, key: str, user: str, why: str = "") -> None:
        """Have a sample, the recipes at a device, or the campaign wait before the next step.

        Raises:
            ManualError: Where time jumps.
        """
        self._refuse_jumps("hold")
        self._holds.hold(key, f"held by {user}: {why}" if why else f"held by {user}")
        self._journal.write("hold", durable=True, key=key, actor=user, reason=why)
        self._audit("hold", who=user, device=key, reason=why or None)

    def resume(self, key: str, user: str, role: str | None = None) -> None:
        """Have recipes go on that wait for a sample, a device or the campaign, and the programme of a furnace.

        Raises:
            ManualError: Where a STOP is latched, somebody drives the device, it is locked out, nobody's recipe
                keeps it hot, or a rule is against its programme.
            LeaseError: Where somebody takes it at this moment.
        """
        stops = stopped_by(self._watch)
        if stops:
            raise ManualError(f"{key} was not resumed: {', '.join(stops)} was not reset: {RESET_FIRST}")
        current = self._leases.current(key)
        if current is not None and current.mode is not Mode.AUTO:
            raise ManualError(f"{key} is {current.describe()}: release it first")
        locks = tuple(lock.describe() for lock in self._leases.lock_outs(key))
        if locks:
            raise ManualError("; ".join(locks), locks)
        if self._hands.program(key) == "hold":
            self._go_on(key, user, role)
        elif self._is_left_hot(key) and (self._unattended.is_leaving(key) or key in self._alarmed):
            raise ManualError(
                f"{key} was not resumed: it is kept at a setpoint by no recipe, and stays on its way to its safe "
                "state: take it, or resume it when it is there"
            )
        self._unattended.attend(key)
        self._calm(key)
        self._journal.write("resumed", durable=True, key=key, actor=user)
        self._audit("resumed", who=user, role=role, device=key)
        self._hold(key, None)
        self._holds.release(key, None)

    # -- commands

    def arm(self, lease_id: str, device: str, verb: str, value: str | None = None, unit: str | None = None) -> Armed:
        """Say what a command would do and what stands against it; it can be executed for half a minute.

        Args:
            lease_id: The person's lease.
            device: The device of the lease.
            verb: One of the device's verbs, or of the module that holds its contactor.
            value: ``400 degC``, or ``name=value`` for each where there are several.
            unit: The unit, where it is not in `value`.

        Raises:
            ManualError: For a verb that there is not.
            SpokenError: For a value that cannot be read.
            LeaseError: Where the lease has ended.
        """
        lease = self._leases.renew(lease_id)
        return self._arming.arm(lease, device, verb, " ".join(part for part in (value, unit) if part))

    def armed(self) -> list[Armed]:
        """What is armed now, for everybody to see."""
        return self._arming.all()

    def execute(self, token: str, user: str, within_s: float = DONE_WITHIN_S) -> dict[str, Any]:
        """Do what was armed, once, and wait in lab time for its end.

        Returns:
            ``{"device", "command", "done", "notes"}``; not done: it goes on.

        Raises:
            ManualError: Where it was not armed so, the plant has changed since, it is denied, or it failed.
            LeaseError: Where the lease has ended.
        """
        armed = self._arming.take(token, user)
        lease = self._leases.renew(armed.lease)
        self._note("manual-executed", lease, armed.device, command=armed.text)
        return self._arming.execute(armed, lease, within_s)

    # -- inside

    def _check(self, device: str) -> None:
        self._refuse_jumps("manual")
        if device not in self._hands.devices:
            known = ", ".join(self._hands.devices)
            raise ManualError(f"no device is named {device!r} in this laboratory: there are {known}")
        watched = self._gateway.limits[device].watched
        if watched:
            raise ManualError(
                f"{device} holds the contactor of {', '.join(watched)}: take {watched[0]}, whose commands include "
                "close-contactor and open-contactor"
            )

    def _refuse_jumps(self, what: str) -> None:
        if isinstance(self._clock, JumpClock):
            raise ManualError(
                f"athanor {what}: time jumps in this run, past whoever types: start it with --clock real or "
                "--clock 'scaled 60'"
            )

    def _freeze(self, device: str, lease: Lease) -> Iterator[str]:
        """Put a programme that runs on hold: its setpoint stays where it is."""
        if self._hands.program(device) != "run":
            return
        error, done = self._hands.act(device, "hold-program", {}, lease, HELD_WITHIN_S)
        if error is not None or not done:
            yield f"the programme of {device} runs on: {error or 'no answer yet'}"

    def _go_on(self, device: str, user: str, role: str | None) -> None:
        """Have a programme that is on hold go on, in a person's name, as far as the rules let it."""
        lease = self._leases.take(user, Mode.MANUAL, {device}, role=role)
        try:
            error, done = self._hands.act(device, "continue-program", {}, lease, HELD_WITHIN_S)
        finally:
            self._leases.release(lease.id)
        if error is not None or not done:
            reasons = error.reasons if isinstance(error, CommandDeniedError) else ()
            raise ManualError(f"{device} was not resumed: {error or 'its programme did not go on in time'}", reasons)

    def _is_left_hot(self, device: str) -> bool:
        """Whether a furnace is kept at a setpoint, and no recipe's programme is in it."""
        setpoint = getattr(self._hands.devices.get(device), "setpoint_degc", None)
        # Unknown (NaN) is not cold.
        return setpoint is not None and self._hands.program(device) not in ("run", "hold") and not setpoint.get() <= 0.0

    def _hold(self, device: str, why: str | None) -> None:
        """Have recipes wait for a device and the contactor that feeds it; None lets go of both."""
        for name in (device, *self._hands.modules(device)):
            if why is None:
                self._holds.release(name, MANUAL)
            else:
                self._holds.hold(name, why, MANUAL)

    # -- leases that lapse

    def _watch_leases(self) -> None:
        while not self._closing.wait(TICK_S):
            try:
                self.look_for_lapsed()
            except (LabError, DriverError) as error:
                # Whoever falls silent next must be seen too.
                self._gateway.unlogged.append(f"leases that lapsed: {error}")

    def look_for_lapsed(self) -> None:
        """Take devices whose person fell silent to their declared state."""
        left = []
        for device, lease in self._leases.lapsed():
            self._arming.disarm(lease.id)
            self._hold(device, f"the lease of {lease.holder} on {device} lapsed: somebody must resume it")
            left.append((device, lease, self._leave(device, lease)))
        # Records come last: a full disk keeps no device from its safe state.
        for device, lease, text in left:
            self._try_note("manual-lapsed", lease, device)
            self._alarm(device, f"the lease of {lease.holder} on {device} lapsed: {text}")

    def _leave(self, device: str, lease: Lease) -> str:
        """Take a device to its declared state, whatever becomes of the others; says what happens."""
        try:
            return self._unattended.leave(device, lease.holder)
        except (LabError, DriverError) as error:
            text = f"{device} was not made safe after {lease.holder} left it: {error}"
            self._alarm(device, text)
            return text

    # -- records

    def _note(self, kind: str, lease: Lease, device: str, **more: Any) -> None:
        self._journal.write(kind, durable=True, device=device, actor=lease.holder, lease=lease.id, **more)
        self._audit(kind, who=lease.holder, role=lease.role, lease=lease.id, device=device, **more)

    def _try_note(self, kind: str, lease: Lease, device: str) -> None:
        """Note what made something safer, as far as the disk takes it."""
        self._try_write(kind, device=device, actor=lease.holder, lease=lease.id)
        self._audit(kind, who=lease.holder, role=lease.role, lease=lease.id, device=device)

    def _try_write(self, kind: str, *, device: str, **fields: Any) -> None:
        try:
            self._journal.write(kind, durable=True, device=device, **fields)
        except LabError as error:
            self._gateway.unlogged.append(f"{kind} {device}: {error}")

    def _audit(self, action: str, *, who: str, device: str, **fields: Any) -> None:
        if self._gateway.audit is not None:
            before = dict(self._gateway.live(device))
            self._gateway.audit.try_write(action, who=who, device=device, before=before, **fields)

    def _alarm(self, device: str, text: str) -> None:
        self._alarmed.add(device)
        said = {
            "do": "raise",
            "key": f"manual:{device}",
            "text": text,
            "guidance": "look at the device, then take it or resume it",
            "priority": "high",
            "source": "manual control",
        }
        try:
            self._watch.request(said)
        except LabError as error:
            self._gateway.unlogged.append(f"alarm {device}: {error}")
        self._try_write("alarm", device=device, text=text)

    def _calm(self, device: str) -> None:
        """Somebody answers for a device again: its alarm has no cause any more."""
        for name in self._alarmed.intersection((device, *self._hands.modules(device))):
            self._alarmed.discard(name)
            self._watch.request({"do": "clear", "key": f"manual:{name}"})
