"""What makes recipes wait: a person at a device, a hold of a sample or the campaign, a lock-out, a hold rule.

A plan asks before each thing that it would have a device do (`lab.scheduling.engine`). What is under way goes on to
its end; nothing new begins. A hold has a source, so that a device which two people keep waiting goes on only
when both let go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager

from lab.safety.commands.leases import LockOut

CAMPAIGN = "campaign"
"""The key that makes everything wait."""

PERSON = "person"
"""Source of a hold that somebody asked for."""
MANUAL = "manual"
"""Source of a hold because somebody drives the device: it keeps also what would make things safer waiting."""

Wake = Callable[[], None]


class Holds:
    """Who or what waits, and why; may be used from several threads.

    Keys are names of samples and devices, and `CAMPAIGN`.
    """

    def __init__(
        self,
        rules: Callable[[], frozenset[str]] = frozenset,
        behind: Mapping[str, Collection[str]] | None = None,
        locks: Callable[[str], Collection[LockOut]] = lambda device: (),
    ) -> None:
        """Make it, with nothing held.

        Args:
            rules: Devices that hold rules make wait now (`Watch.held`).
            behind: Safety module to the furnaces behind its contactor: what is asked of it waits for them.
            locks: The lock-outs of a device (`LeaseBook.lock_outs`).
        """
        self._rules, self._behind, self._locks = rules, dict(behind or {}), locks
        self._lock = threading.Lock()
        self._held: dict[str, dict[str, str]] = {}
        self._waiting: list[Wake] = []

    def hold(self, key: str, why: str, source: str = PERSON) -> None:
        """Have recipes wait that have to do with `key`; `why` is what people read."""
        with self._lock:
            self._held.setdefault(key, {})[source] = why

    def release(self, key: str, source: str | None = PERSON) -> bool:
        """Let go of what one source holds, or all of them with None; whether anything was held."""
        with self._lock:
            sources = self._held.get(key, {})
            found = source in sources or (source is None and bool(sources))
            left = {name: why for name, why in sources.items() if source not in (None, name)}
            self._held.pop(key, None)
            if left:
                self._held[key] = left
            waiting = tuple(self._waiting)
        for wake in waiting:
            wake()
        return found

    def why(self, keys: Collection[str], *, safer: bool = False) -> str | None:
        """Why something that has to do with all these keys must wait, or None where it need not.

        Args:
            keys: Sample, devices, `CAMPAIGN`.
            safer: Whether it makes things safer: that waits for whoever drives a device by hand, and nothing else.
        """
        wide = sorted({*keys, *(name for key in keys for name in self._behind.get(key, ()))})
        with self._lock:
            reasons = [
                why for key in wide for source, why in self._held.get(key, {}).items() if source == MANUAL or not safer
            ]
        if not safer:
            reasons += [lock.describe() for key in wide for lock in self._locks(key)]
            reasons += [f"a rule holds recipes on {device}" for device in sorted(self._rules().intersection(wide))]
        return "; ".join(dict.fromkeys(reasons)) or None

    def all(self) -> Mapping[str, Mapping[str, str]]:
        """Everything that is held: key to source to reason; without hold rules."""
        with self._lock:
            return {key: dict(sources) for key, sources in self._held.items()}

    @contextmanager
    def waking(self, wake: Wake) -> Iterator[None]:
        """Have `wake` called at every release inside the block; it must not wait."""
        with self._lock:
            self._waiting.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(wake)
