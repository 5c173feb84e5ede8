"""The safety socket of a laboratory that lives in one process: STOP, reset, alarms and bypasses where time jumps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.safety.judging.monitor import SafetyMonitor
from lab.safety.supervisor.process import SOCKET
from lab.safety.supervisor.server import Client, Server

OPEN_WITHIN_S = 2.0
"""Wall seconds in which every contactor must be seen open after a STOP."""
LOOK_S = 0.005


class InProcess:
    """Answers the requests of a socket from the monitor of this process."""

    def __init__(self, monitor: SafetyMonitor) -> None:
        self._monitor = monitor

    def answer(self, caller: Client, message: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one request; a STOP once every output was seen open, or has had its time."""
        answered = self._monitor.request(message)
        if message.get("do") == "stop":
            acknowledged = self._opened()
            if message.get("follow") is True:
                for output, ms in acknowledged.items():
                    caller.send({"id": message.get("id"), "progress": {"output": output, "ms": ms}})
            answered |= {"stopped": True, "acknowledged": acknowledged, "devices": {}, "lab": True}
        return {**answered, "id": message.get("id")}

    def gone(self, caller: object) -> None:
        """A connection has closed: nobody is missed."""

    def _opened(self) -> dict[str, float | None]:
        """Every output with the milliseconds after which it was seen open, None where it was not."""
        told_s = time.monotonic()
        seen: dict[str, float | None] = dict.fromkeys(self._monitor.core.interlocks.outputs)
        while None in seen.values() and time.monotonic() - told_s < OPEN_WITHIN_S:
            values = self._monitor.values()
            for output in [name for name, ms in seen.items() if ms is None and values.get(name) is False]:
                seen[output] = 1000.0 * (time.monotonic() - told_s)
            time.sleep(LOOK_S)
        return seen


@contextmanager
def safety_socket(monitor: SafetyMonitor, runtime: Path) -> Iterator[None]:
    """Take requests at the socket of a runtime folder inside the block."""
    server = Server(runtime / SOCKET, InProcess(monitor))
    try:
        yield
    finally:
        server.close()
