"""A process that is spoken to in lines, over its standard input and output."""

from __future__ import annotations

import subprocess
import sys
from types import TracebackType


class LineProcess:
    """A module of Python that runs in a process of its own; killed at the end of a ``with``."""

    def __init__(self, module: str, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, line: str) -> None:
        """Send a line."""
        if self.process.stdin is not None:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()

    def hear(self) -> str:
        """Wait for a line; empty where the process has ended."""
        return "" if self.process.stdout is None else self.process.stdout.readline().rstrip("\n")

    def kill(self) -> None:
        """End it, whatever it does; harmless when repeated."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> LineProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
