"""A RunEngine that lives in lab time.

One plan runs at a time in one RunEngine; a laboratory has a pool of them, each driven by one task of the
clock. The engine waits and sleeps by giving up that task's turn, so a jump clock knows when nobody is busy.
Bluesky replays a relative sleep in full after a pause; ``sleep_until`` is absolute.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Generator, Mapping
from typing import Any

from bluesky.run_engine import RunEngine
from bluesky.utils import Msg

from drivers.clock import Clock, Task
from drivers.gate import acting_as
from drivers.status import ActionStatus, Waiter

Document = Mapping[str, Any]
Subscriber = Callable[[str, Document], None]


class TaskEngine:
    """Runs plans, one after the other, for whichever task of the clock calls `run`."""

    def __init__(self, clock: Clock, subscriber: Subscriber) -> None:
        self._clock = clock
        self._subscriber = subscriber
        self._task: Task | None = None
        self._waiter: Waiter | None = None
        # context_managers=[]: the default one installs signal handlers, possible in the main thread only.
        self._engine = RunEngine({}, context_managers=[], call_returns_result=True)
        self._engine.waiting_hook = self._on_waiting  # type: ignore[assignment]
        self._engine.register_command("sleep_until", self._sleep_until)
        self._engine.subscribe(self._in_lab_time)

    def run(self, plan: Generator[Msg, Any, Any], *, actor: str, lease: str, metadata: Mapping[str, Any]) -> Any:
        """Run one plan to its end and return what it returns.

        Raises:
            Exception: What made the plan fail, after its cleanup ran.
        """
        self._task = self._clock.current()
        try:
            with acting_as(actor, lease):
                return self._engine(plan, **metadata).plan_result  # type: ignore[union-attr]
        finally:
            self._task.take_turn()
            self._task = None

    def close(self) -> None:
        """End the engine's event loop thread."""
        loop, thread = self._engine.loop, self._engine._th  # noqa: SLF001 - Bluesky offers no way to end it
        loop.call_soon_threadsafe(loop.stop)
        if isinstance(thread, threading.Thread):
            thread.join(timeout=5.0)
        if not loop.is_running():
            loop.close()

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
