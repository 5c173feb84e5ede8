"""A bench lab: a real supervisor process on modules of the plant, and this process as its lab service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.safety_harness.plant import Plant
from benchmarks.safety_harness.plant_process import module_name
from lab.safety.interlocks.compiled import to_json
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.rules import Interlocks
from lab.safety.supervisor.sockets import Lines, close_quietly, connect_unix, encode

BEAT_S = 0.2
ANSWER_S = 5.0
UP_WITHIN_S = 30.0
WATCHDOG_S = 1.0


CONTACTS = {"do1": "contactor", "do2": "beacon", "do3": "gas valve permit", "do4": "door lock"}
"""What the plant calls what an output switches; for the contactor that is the contact, not its permit."""


@dataclass(frozen=True)
class Contact:
    """One contact of the plant."""

    module: str
    output: str


class NoAnswerError(Exception):
    """The supervisor is gone, or says nothing."""


class Connection:
    """Requests over a supervisor's socket, one after another; any thread may ask."""

    def __init__(self, path: Path) -> None:
        self._stream = connect_unix(path, 1.0)
        self._lines = Lines(self._stream)
        self._lock = threading.Lock()
        self._count = 0

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Ask for something and wait for the answer to it.

        Raises:
            NoAnswerError: Where none comes.
        """
        with self._lock:
            self._count += 1
            try:
                self._stream.sendall(encode({"id": self._count, "do": do, **arguments}))
                while (answer := self._lines.receive(time.monotonic() + ANSWER_S)) is not None:
                    if answer.get("id") == self._count:
                        return answer
            except OSError as error:
                raise NoAnswerError(f"{do}: {error}") from error
        raise NoAnswerError(f"{do}: the supervisor has closed the connection")

    def say(self, do: str, **arguments: Any) -> None:
        """Say something that nobody answers; raises as `ask`."""
        try:
            self._stream.sendall(encode({"do": do, **arguments}))
        except OSError as error:
            raise NoAnswerError(f"{do}: {error}") from error

    def close(self) -> None:
        """Close it."""
        close_quietly(self._stream)


class LabService:
    """What a supervisor needs of a lab service: a connection that beats, until it is closed."""

    def __init__(self, path: Path, values: Mapping[str, Value], running: list[str]) -> None:
        self._connection = Connection(path)
        self._values, self._running = values, running
        answer = self._connection.ask("hello", role="lab", devices=[])
        if not answer["ok"]:
            raise NoAnswerError(str(answer["reasons"]))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="beat", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Be gone."""
        self._ended.set()
        self._connection.close()
        self._thread.join()

    def _beat(self) -> None:
        while not self._ended.is_set():
            try:
                self._connection.say("beat", values=dict(self._values), running=self._running)
            except NoAnswerError:
                return
            self._ended.wait(BEAT_S)


class BenchLab:
    """One lab with two furnaces and the supervisor that watches them."""

    def __init__(
        self, plant: Plant, number: int, interlocks: Interlocks, folder: Path, values: Mapping[str, Value]
    ) -> None:
        self.plant = plant
        self.witness = plant.witness
        self.number = number
        self.outputs = {
            name: Contact(self.module(output.device), CONTACTS[output.channel])
            for name, output in interlocks.outputs.items()
        }
        """What is switched at the plant by each output."""
        self.name = f"bench-{number}"
        self.folder = folder / f"lab{number}"
        """The runtime folder."""
        self.folder.mkdir(parents=True, mode=0o700)
        self._values = values
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: Connection | None = None
        self._service: LabService | None = None
        self._config = self.folder / "config.json"
        self.configure(interlocks)

    def module(self, device: str) -> str:
        """The plant's name of a module of this lab."""
        return module_name(self.number, int(device.rpartition("-")[2]))

    def configure(self, interlocks: Interlocks, speed: float = 1.0) -> None:
        """Say by which rules, and how many times as fast as the wall's, the next supervisor judges."""
        self._config.write_text(json.dumps(self._document(interlocks, speed)), encoding="utf-8")

    def _document(self, interlocks: Interlocks, speed: float) -> dict[str, Any]:
        modules = {n: {"address": a, "watchdog_s": WATCHDOG_S} for n, a in self.plant.addresses(self.number).items()}
        return {
            "lab": self.name,
            "path": None,
            "world": "simulated",
            "rules": to_json(interlocks),
            "modules": modules,
            "clock": {"kind": "scaled", "speed": speed, "start_s": None},
            "folder": str(self.folder),
            "users": None,
            "notify": None,
            "http": {"host": "127.0.0.1", "port": 0},
        }

    @property
    def stop_port(self) -> int:
        """Where STOP is served."""
        facts = json.loads((self.folder / "safety.json").read_text(encoding="utf-8"))
        return int(facts["http"].rpartition(":")[2])

    def start(self, *, service: bool = True) -> None:
        """Start the supervisor and connect to it, as its lab service too where nobody else is that."""
        (self.folder / "safety.json").unlink(missing_ok=True)
        command = [sys.executable, "-m", "lab.safety.supervisor", str(self._config)]
        with (self.folder / "supervisor.log").open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log)
        deadline_s = time.monotonic() + UP_WITHIN_S
        while not (self.folder / "safety.json").exists():
            if self.process.poll() is not None or time.monotonic() > deadline_s:
                raise NoAnswerError(f"the supervisor did not come up, see {log.name}")
            time.sleep(0.02)
        self.connect(service=service)

    def connect(self, *, service: bool = True) -> None:
        """Connect to the supervisor that runs, as operator and as lab service."""
        self.disconnect()
        path = self.folder / "safety.sock"
        self.connection = Connection(path)
        self._service = LabService(path, self._values, []) if service else None

    def disconnect(self) -> None:
        """Close both connections."""
        if self._service is not None:
            self._service.close()
        if self.connection is not None:
            self.connection.close()
        self.connection = self._service = None

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Ask the supervisor on behalf of an operator; raises `NoAnswerError`."""
        if self.connection is None:
            raise NoAnswerError("not connected")
        return self.connection.ask(do, actor="bench", role="operator", **arguments)

    def reset(self, within_s: float = 10.0) -> None:
        """Do what a person does after a trip: re-arm what has expired, and reset, until nothing is latched."""
        deadline_s = time.monotonic() + within_s
        while True:
            modules = self.ask("state")["state"].get("modules", {})
            for name in (name for name, module in modules.items() if module["watchdog"] == "expired"):
                self.ask("rearm", module=name)
            answer = self.ask("reset")
            if answer["ok"]:
                return
            if time.monotonic() > deadline_s:
                raise NoAnswerError(f"lab {self.number} cannot be reset: {answer['reasons']}")
            time.sleep(0.05)

    def heat(self, outputs: Iterable[str] | None = None, within_s: float = 10.0) -> None:
        """Close outputs, all by default, resetting what trips meanwhile; gives up after a while."""
        deadline_s = time.monotonic() + within_s
        for output in self.outputs if outputs is None else outputs:
            while not (answer := self.ask("close", output=output))["ok"]:
                if time.monotonic() > deadline_s:
                    raise NoAnswerError(f"lab {self.number} cannot close {output}: {answer['reasons']}")
                time.sleep(0.05)
                self.reset()

    def signal(self, number: signal.Signals) -> float:
        """Send the supervisor a signal; give the monotonic time just before."""
        if self.process is None:
            raise NoAnswerError("there is no supervisor")
        before_s = time.monotonic()
        os.kill(self.process.pid, number)
        return before_s

    def close(self) -> None:
        """End the supervisor."""
        self.disconnect()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
