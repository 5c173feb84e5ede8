"""Who may write to which device: one lease for each device at a time, with an expiry and a fencing number.

    manual, maintenance   of a person: at most `LONGEST_S`, renewed while the person is there, in wall time
    auto                  of one task of a campaign: until the task gives it back

A person takes a device from a task, never from another person. The task's lease is stale for that device from
then on, also after the person let go: going on takes a new lease. A task's lease has no expiry, because it lives in
the memory of the process that would renew it: it cannot outlive that process, and its death is the supervisor's
business. Every lease has a number that grows (its fence) and that is part of its id, so whoever slept through
its end is refused by its id alone.

A lock-out keeps everybody from starting anything at a device while somebody has their hands in it. Each person
hangs up their own and takes it off again; lock-outs survive a restart where a file is given.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.errors import LabError

LONGEST_S = 30.0
"""Wall seconds after which a lease of a person lapses unless it is renewed."""
REMEMBERED = 1000
"""Leases that have ended and whose end can still be told."""


class Mode(StrEnum):
    """In whose hands a device is."""

    AUTO = "auto"
    MANUAL = "manual"
    MAINTENANCE = "maintenance"


class LeaseError(LabError):
    """A lease that cannot be had, or is no more."""

    def __init__(self, text: str, in_the_way: Lease | None = None) -> None:
        super().__init__(text)
        self.in_the_way = in_the_way
        """The lease of somebody else, where that is the reason."""


@dataclass(frozen=True)
class Lease:
    """Leave to write to some devices, for a while."""

    id: str
    holder: str
    """A person, or the task of a sample."""
    mode: Mode
    devices: frozenset[str]
    fence: int
    """Larger than that of every lease before it."""
    expires_s: float
    """On the clock of the book; infinite for a task."""
    since_s: float
    """POSIX seconds, for people."""
    role: str | None = None
    """In which role the holder acts."""

    def describe(self) -> str:
        """Who drives, as told to somebody whom this keeps from driving."""
        if self.mode is Mode.AUTO:
            return f"at work for {self.holder} (auto)"
        return f"driven by {self.holder} ({self.mode}) since {_clock_time(self.since_s)}"

    def to_json(self) -> dict[str, Any]:
        """For the console and the shell."""
        return {
            "id": self.id,
            "holder": self.holder,
            "mode": str(self.mode),
            "devices": sorted(self.devices),
            "fence": self.fence,
            "role": self.role,
        }


@dataclass(frozen=True)
class LockOut:
    """One person's lock on one device."""

    device: str
    who: str
    reason: str
    since_s: float
    """POSIX seconds."""

    def describe(self) -> str:
        """Why nothing may start there."""
        return (
            f"{self.device} is locked out by {self.who} since {_clock_time(self.since_s)} ({self.reason}): "
            f"{self.who} must take the lock off"
        )


class LeaseBook:
    """All leases and lock-outs of a laboratory; may be used from several threads."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        *,
        wall: Callable[[], float] = time.time,
        store: Path | None = None,
    ) -> None:
        """Make an empty book.

        Args:
            now: Wall seconds in which leases of persons expire.
            wall: POSIX seconds, for what people read.
            store: File that keeps lock-outs over restarts; None keeps nothing.

        Raises:
            LeaseError: Where `store` exists and cannot be read: who has their hands where would not be known.
        """
        self._now, self._wall, self._store = now, wall, store
        self._lock = threading.RLock()
        self._fence = 0
        self._leases: dict[str, Lease] = {}
        self._current: dict[str, Lease] = {}
        self._taken_over: dict[tuple[str, str], Lease] = {}
        """(lease id, device) to the lease that took the device from it."""
        self._ended: OrderedDict[str, str] = OrderedDict()
        """Lease id to how it ended."""
        self._lapsed: list[tuple[str, Lease]] = []
        self._lock_outs: dict[tuple[str, str], LockOut] = {}
        self._load()

    # -- leases

    def take(
        self,
        holder: str,
        mode: Mode,
        devices: Collection[str],
        *,
        life_s: float = LONGEST_S,
        role: str | None = None,
    ) -> Lease:
        """Give all of `devices` to a holder, or none.

        Raises:
            LeaseError: Where somebody else has one of them who does not give way, or no such lease exists.
        """
        if not devices or not 0 < life_s <= LONGEST_S:
            raise LeaseError(f"a lease is for at least one device and at most {LONGEST_S:g} s, not {life_s:g} s")
        with self._lock:
            self._expire()
            for device in sorted(devices):
                other = self._current.get(device)
                if other is not None and not _gives_way(other, holder, mode):
                    raise LeaseError(f"{device} is {other.describe()}: {_what_to_do(other)}", other)
            self._fence += 1
            lease = Lease(
                id=f"{holder}#{self._fence}",
                holder=holder,
                mode=mode,
                devices=frozenset(devices),
                fence=self._fence,
                expires_s=math.inf if mode is Mode.AUTO else self._now() + life_s,
                since_s=self._wall(),
                role=role,
            )
            self._leases[lease.id] = lease
            for device in sorted(devices):
                self._take_over(device, lease)
        return lease

    def renew(self, lease_id: str, life_s: float = LONGEST_S) -> Lease:
        """Have a lease live `life_s` from now on.

        Raises:
            LeaseError: Where it has ended, and how.
        """
        if not 0 < life_s <= LONGEST_S:
            raise LeaseError(f"a lease lives at most {LONGEST_S:g} s, not {life_s:g} s")
        with self._lock:
            self._expire()
            lease = self._leases.get(lease_id)
            if lease is None:
                raise LeaseError(self._how_it_ended(lease_id))
            if lease.mode is not Mode.AUTO:
                lease = replace(lease, expires_s=self._now() + life_s)
            self._leases[lease_id] = lease
            self._current |= {device: lease for device in lease.devices if self._is_current(lease_id, device)}
        return lease

    def release(self, lease_id: str) -> bool:
        """Give back a lease; whether there was anything to give back."""
        with self._lock:
            self._expire()
            return self._end(lease_id, "was given back") is not None

    def current(self, device: str) -> Lease | None:
        """The lease under which a device may be written to now."""
        with self._lock:
            self._expire()
            return self._current.get(device)

    def find(self, lease_id: str) -> Lease | None:
        """The lease of that id, while it lives."""
        with self._lock:
            self._expire()
            return self._leases.get(lease_id)

    def all(self) -> dict[str, Lease]:
        """Every device that somebody has, with the lease."""
        with self._lock:
            self._expire()
            return dict(self._current)

    def why_stale(self, lease_id: str | None, device: str) -> str | None:
        """Why a lease does not allow to write to a device, or None where it does."""
        with self._lock:
            self._expire()
            if lease_id is not None and self._is_current(lease_id, device):
                return None
            other = self._current.get(device)
            if other is not None:
                return f"{device} is {other.describe()}: {_what_to_do(other)}"
            if lease_id is None:
                return f"{device} is asked for without a lease: take it first"
            lease = self._leases.get(lease_id)
            if lease is None:
                return self._how_it_ended(lease_id)
            if device not in lease.devices:
                return f"lease {lease_id} is for {', '.join(sorted(lease.devices))}, not for {device}: take it first"
            last = self._taken_over[lease_id, device]
            return f"{device} was taken over by {last.holder} ({last.mode}), and nobody has resumed it yet"

    def lapsed(self) -> list[tuple[str, Lease]]:
        """Devices whose person did not renew, with the lease that lapsed, since this was asked last."""
        with self._lock:
            self._expire()
            lapsed, self._lapsed = self._lapsed, []
        return lapsed

    # -- lock-outs

    def lock_out(self, device: str, who: str, reason: str) -> LockOut:
        """Keep everybody from starting anything at a device.

        Raises:
            LeaseError: Without a reason, or where the file cannot be written.
        """
        if not reason.strip():
            raise LeaseError(f"{device}: a lock-out without a reason tells nobody anything: say what is being done")
        with self._lock:
            lock = LockOut(device, who, reason.strip(), self._wall())
            self._lock_outs[device, who] = lock
            self._save()
        return lock

    def remove(self, device: str, who: str, *, of: str | None = None) -> None:
        """Take a lock off; `of` names whose, where a safety officer takes off somebody else's.

        Raises:
            LeaseError: Where there is no such lock, or the file cannot be written.
        """
        with self._lock:
            if (device, of or who) not in self._lock_outs:
                locks = self.lock_outs(device)
                seen = "; ".join(lock.describe() for lock in locks) or f"{device} is not locked out"
                raise LeaseError(f"{device} has no lock of {of or who}: {seen}")
            del self._lock_outs[device, of or who]
            self._save()

    def lock_outs(self, device: str | None = None) -> list[LockOut]:
        """The locks on a device, or all of them."""
        with self._lock:
            return [lock for lock in self._lock_outs.values() if device in (None, lock.device)]

    # -- inside; all with the lock held

    def _is_current(self, lease_id: str, device: str) -> bool:
        current = self._current.get(device)
        return current is not None and current.id == lease_id

    def _take_over(self, device: str, lease: Lease) -> None:
        before = self._current.get(device)
        self._current[device] = lease
        # Whoever lost the device before stays told of the last who took it.
        for lease_id, lost in tuple(self._taken_over):
            if lost == device:
                self._taken_over[lease_id, lost] = lease
        if before is None:
            return
        self._taken_over[before.id, device] = lease
        # A task's lease that a person took over is remembered, so that the task is told by whom.
        over = lease.mode is Mode.AUTO or before.mode is not Mode.AUTO
        if over and not any(self._is_current(before.id, other) for other in before.devices):
            self._end(before.id, "was taken again")

    def _end(self, lease_id: str, how: str) -> Lease | None:
        lease = self._leases.pop(lease_id, None)
        if lease is None:
            return None
        for device in lease.devices:
            self._taken_over.pop((lease_id, device), None)
            if self._is_current(lease_id, device):
                del self._current[device]
        self._ended[lease_id] = f"lease {lease_id} {how} at {_clock_time(self._wall())}: take the device again"
        while len(self._ended) > REMEMBERED:
            self._ended.popitem(last=False)
        return lease

    def _expire(self) -> None:
        now_s = self._now()
        for lease in [lease for lease in self._leases.values() if lease.expires_s <= now_s]:
            held = [device for device in sorted(lease.devices) if self._is_current(lease.id, device)]
            self._end(lease.id, "lapsed")
            self._lapsed += [(device, lease) for device in held]

    def _how_it_ended(self, lease_id: str) -> str:
        return self._ended.get(lease_id, f"there is no lease {lease_id}: take the device first")

    # -- the file of lock-outs; with the lock held

    def _load(self) -> None:
        if self._store is None or not self._store.exists():
            return
        try:
            found = [LockOut(**entry) for entry in json.loads(self._store.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError) as error:
            raise LeaseError(
                f"{self._store}: the lock-outs cannot be read ({error}): make sure that nobody works at a device, "
                "then remove the file"
            ) from None
        self._lock_outs = {(lock.device, lock.who): lock for lock in found}

    def _save(self) -> None:
        if self._store is None:
            return
        temporary = self._store.with_suffix(".new")
        try:
            temporary.write_text(json.dumps([asdict(lock) for lock in self._lock_outs.values()]), encoding="utf-8")
            temporary.replace(self._store)
        except OSError as error:
            raise LeaseError(
                f"{self._store}: the lock-outs are not kept ({error.strerror}), they would be forgotten at a restart: "
                "make room"
            ) from None


def _gives_way(other: Lease, holder: str, mode: Mode) -> bool:
    """Whether a lease ends for a new one: a task's for a person's, and everybody's for their own."""
    if other.holder == holder and other.mode is mode:
        return True
    return other.mode is Mode.AUTO and mode is not Mode.AUTO


def _what_to_do(other: Lease) -> str:
    if other.mode is Mode.AUTO:
        return "wait for its end, or take it over by hand"
    return f"ask {other.holder} to release it"


def _clock_time(posix_s: float) -> str:
    return time.strftime("%H:%M", time.localtime(posix_s))
