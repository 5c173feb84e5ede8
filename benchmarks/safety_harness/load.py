"""What keeps the machine busy while STOP is measured: two loops that never end, and fifty open pages."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.safety_harness.line_process import LineProcess
from lab.safety.supervisor.sockets import connect_unix

LOOPS = 2
PAGES = 50
PROCESS = "benchmarks.safety_harness.load"
REQUEST = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


@contextmanager
def busy_cores(count: int = LOOPS) -> Iterator[None]:
    """Processes that compute and do nothing else, inside the block, and never longer than this one lives."""
    loop_py = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    loops = [subprocess.Popen([sys.executable, "-c", loop_py]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


class Pages:
    """Connections to a lab service that hold its stream of events open, in a process of their own."""

    def __init__(self, process: LineProcess) -> None:
        self._process = process

    def end(self) -> dict[str, int]:
        """Close them; how many were still open, and how many events came in all."""
        self._process.say("")
        found: dict[str, int] = json.loads(self._process.hear())
        return found


@contextmanager
def open_pages(lab_socket: Path, count: int = PAGES) -> Iterator[Pages]:
    """So many pages that follow a lab service, inside the block."""
    with LineProcess(PROCESS, str(lab_socket), str(count)) as process:
        if process.hear() != "open":
            raise RuntimeError(f"{lab_socket}: the lab service did not open {count} streams of events")
        yield Pages(process)


async def _follow(path: Path, counts: dict[str, int], opened: asyncio.Queue[None]) -> None:
    stream = connect_unix(path, 10.0)
    stream.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=stream)
    writer.write(REQUEST)
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"{path}: {status!r}")
    counts["open"] += 1
    opened.put_nowait(None)
    try:
        while line := await reader.readline():
            counts["events"] += line.startswith(b"data:")
    finally:
        counts["open"] -= 1


async def _main(path: Path, count: int) -> None:
    counts, opened = {"open": 0, "events": 0}, asyncio.Queue[None]()
    pages = [asyncio.create_task(_follow(path, counts, opened)) for _ in range(count)]
    for _ in range(count):
        await opened.get()
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for page in pages:
        page.cancel()
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
