"""A RunEngine that lives in lab time, and asks before each thing that it would have a device do.

One plan runs at a time in one RunEngine; a laboratory has a pool of them, each driven by one task of the
clock. The engine waits and sleeps by giving up that task's turn, so a jump clock knows when nobody is busy.
Bluesky replays a relative sleep in full after a pause; ``sleep_until`` is absolute.

Before each `set` of a plan, its cleanup included, the plan waits while its sample, the campaign or a device
that the message names is held, and takes its lease anew where a person took a device over in between. What makes
things safer waits only for whoever drives the device by hand. Nothing else of the plan waits: what is under way
goes on and is recorded. The plan's own time (`TaskEngine.now`) stands still while it is held, so no timeout of
a plan runs on.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import bluesky.preprocessors as bpp
from bluesky.run_engine import RunEngine
from bluesky.utils import Msg

from drivers.clock import Clock, Task
from drivers.gate import act_as, acting_as
from drivers.status import ActionStatus, Waiter
from lab.safety.commands.gateway import SAFER
from lab.safety.commands.holds import Holds
from lab.safety.commands.leases import Lease, LeaseBook, LeaseError, Mode
from lab.safety.judging.pace import scan_interval_s

Document = Mapping[str, Any]
Subscriber = Callable[[str, Document], None]
Plan = Generator[Msg, Any, Any]


class Standing(StrEnum):
    """How a plan stands (ISA-88)."""

    RUNNING = "running"
    HELD = "held"
    RESTARTING = "restarting"
    """Held no more; what comes next is being asked for."""


OnStanding = Callable[[Standing, str], None]
"""Told of each change, with the reason where the plan is held."""


@dataclass
class _Job:
    """One plan and on whose behalf it runs."""

    actor: str
    holder: str
    devices: frozenset[str]
    keys: frozenset[str]
    on_standing: OnStanding
    lease: Lease | None = None


class TaskEngine:
    """Runs plans, one after the other, for whichever task of the clock calls `run`."""

    def __init__(
        self, clock: Clock, subscriber: Subscriber, holds: Holds | None = None, leases: LeaseBook | None = None
    ) -> None:
        """Make an engine.

        Args:
            clock: Lab time.
            subscriber: Gets Bluesky's documents.
            holds: What makes plans wait; None: nothing does.
            leases: Where plans take their leases; None: the holder's name is used as its lease.
        """
        self._clock = clock
        self._subscriber = subscriber
        self.holds = holds or Holds()
        self._leases = leases
        self._look_s = scan_interval_s(clock)
        self._held_for_s = 0.0
        self._task: Task | None = None
        self._waiter: Waiter | None = None
        # context_managers=[]: the default one installs signal handlers, possible in the main thread only.
        self._engine = RunEngine({}, context_managers=[], call_returns_result=True)
        self._engine.waiting_hook = self._on_waiting  # type: ignore[assignment]
        self._engine.register_command("sleep_until", self._sleep_until)
        self._engine.register_command("stand_by", self._stand_by)
        self._engine.subscribe(self._in_lab_time)

    def now(self) -> float:
        """The time of the plan that runs: lab time without what it was held for."""
        return self._clock.now() - self._held_for_s

    def run(
        self,
        plan: Plan,
        *,
        actor: str,
        holder: str,
        devices: Collection[str] = (),
        keys: Collection[str] = (),
        on_standing: OnStanding = lambda standing, why: None,
        metadata: Mapping[str, Any],
    ) -> Any:
        """Run one plan to its end and return what it returns.

        Args:
            plan: The plan; it reads the time from `now`.
            actor: Who asks, for the gate.
            holder: In whose name leases are taken.
            devices: What the plan may write to, which is leased for it.
            keys: What else holds it, besides the devices that its messages name: its sample, the campaign.
            on_standing: Told when it is held and when it goes on.
            metadata: For Bluesky's start document.

        Raises:
            Exception: What made the plan fail, after its cleanup ran.
        """
        self._task = self._clock.current()
        self._held_for_s = 0.0
        job = _Job(actor, holder, frozenset(devices), frozenset(keys), on_standing)
        try:
            with acting_as(actor, holder):
                asking = bpp.plan_mutator(plan, lambda msg: self._before(msg, job))
                return self._engine(asking, **metadata).plan_result  # type: ignore[union-attr]
        finally:
            self._task.take_turn()
            self._task = None
            self._give_back(job)

    def close(self) -> None:
        """End the engine's event loop thread."""
        loop, thread = self._engine.loop, self._engine._th  # noqa: SLF001 - Bluesky offers no way to end it
        loop.call_soon_threadsafe(loop.stop)
        if isinstance(thread, threading.Thread):
            thread.join(timeout=5.0)
        if not loop.is_running():
            loop.close()

    # -- leave to go on

    def _before(self, msg: Msg, job: _Job) -> tuple[Plan | None, None]:
        """Have what acts wait for leave; everything else passes."""
        return (self._with_leave(msg, job), None) if msg.command == "set" else (None, None)

    def _with_leave(self, msg: Msg, job: _Job) -> Plan:
        keys, safer = job.keys | named_in(msg), makes_safer(msg)
        held_s, told = self._clock.now(), ""
        while (why := self._why_wait(keys, job, safer=safer)) is not None:
            if why != told:
                job.on_standing(Standing.HELD, why)
                told = why
            yield Msg("stand_by")
        if told:
            self._held_for_s += self._clock.now() - held_s
            job.on_standing(Standing.RESTARTING, "")
        answer = yield msg
        if told:
            job.on_standing(Standing.RUNNING, "")
        return answer

    def _why_wait(self, keys: frozenset[str], job: _Job, *, safer: bool) -> str | None:
        """Why the plan cannot go on now; None where it can, and has its lease."""
        why = self.holds.why(keys, safer=safer)
        if why is not None or safer or self._leases is None or not job.devices:
            return why
        if job.lease is not None and self._is_current(job.lease):
            return None
        try:
            self._give_back(job)
            job.lease = self._leases.take(job.holder, Mode.AUTO, job.devices)
        except LeaseError as error:
            if error.in_the_way is None or error.in_the_way.mode is Mode.AUTO:
                raise
            return str(error)
        # The plan runs in the context of Bluesky's own task: from here on it asks with the new lease.
        act_as(job.actor, job.lease.id)
        return None

    def _is_current(self, lease: Lease) -> bool:
        assert self._leases is not None  # noqa: S101 - asked for a lease that was taken
        return all(self._leases.why_stale(lease.id, device) is None for device in lease.devices)

    def _give_back(self, job: _Job) -> None:
        if self._leases is not None and job.lease is not None:
            self._leases.release(job.lease.id)
            job.lease = None

    # -- lab time

    def _in_lab_time(self, name: str, document: Document) -> None:
        self._subscriber(name, {**document, "time": self._clock.now()} if "time" in document else document)

    def _on_waiting(self, statuses: Collection[ActionStatus] | None) -> None:
        if statuses is None:
            if self._waiter is not None:
                self._waiter.stop_waiting()
                self._waiter = None
        else:
            assert self._task is not None  # noqa: S101 - the hook is called inside run() only
            self._waiter = Waiter(self._task, statuses)
            self._waiter.suspend()

    async def _sleep_until(self, msg: Msg) -> None:
        (until_s,) = msg.args
        await self._suspend(until_s + self._held_for_s)

    async def _stand_by(self, msg: Msg) -> None:
        """Wait until something is released, or it is time to look whether a hold rule let go."""
        assert self._task is not None  # noqa: S101
        with self.holds.waking(self._task.wake):
            await self._suspend(self._clock.now() + self._look_s)

    async def _suspend(self, until_s: float) -> None:
        if until_s <= self._clock.now():
            return
        assert self._task is not None  # noqa: S101
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def resume() -> None:
            loop.call_soon_threadsafe(over.set)

        self._task.suspend(until_s, resume)
        try:
            await over.wait()
        finally:
            self._task.take_turn()


def named_in(msg: Msg) -> frozenset[str]:
    """What a message has to do with: its device, and devices and places that its arguments name.

    >>> move = Msg("set", None, "move", from_position="crucibles/1", to_position="furnace-1/1")
    >>> sorted(named_in(move))
    ['crucibles', 'furnace-1', 'move']
    """
    named = {text.partition("/")[0] for text in (*msg.args, *msg.kwargs.values()) if isinstance(text, str)}
    return frozenset(named | {getattr(msg.obj, "name", "")} - {""})


def makes_safer(msg: Msg) -> bool:
    """Whether a message stops something; closing a door moves an arm, and waits like any motion.

    >>> makes_safer(Msg("set", None, "open-contactor")), makes_safer(Msg("set", None, "run-program", steps=()))
    (True, False)
    """
    return bool(msg.args) and msg.args[0] in SAFER
