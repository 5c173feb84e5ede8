"""The simulator as a process of its own: what it serves, how it is found, how it is started.

Whoever holds the lock on ``sim.json`` in the lab's runtime folder is the simulator of that lab. The file says
where everything is: pid, ready, lab, speed, endpoints, models, log, results, what was done to the wires (faults) and
went over them (record), and a clock that shows lab time ``start_s`` at the monotonic time ``origin_s``, so that other
processes can run one that shows the same.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.clock import RealClock, ScaledClock
from lab.errors import UsageError
from lab.records.lock import lock_folder, runtime_folder
from lab.trouble import NO_TROUBLE, Trouble

if TYPE_CHECKING:
    from lab.config.lab_file import LabConfig

FILE = "sim.json"
COMMAND = (sys.executable, "-m", "lab", "sim")
READY_WITHIN_S = 60.0
LOOK_S = 0.05


@dataclass(frozen=True)
class Serving:
    """How the simulated instruments of a lab are served."""

    speed: float = 1.0
    """Lab seconds for each second."""
    seed: int = 0
    """Of this run's noise."""
    truth: Path | None = None
    """Folder with what the chemistry obeys, in place of what the lab file says."""
    results: Path | None = None
    """Where diffractometers leave their files; None for a folder that ends with the simulator."""
    log: Path | None = None
    """Where the plant's own record goes; None for a file that ends with the simulator."""
    ephemeral: bool = False
    """Whether TCP ports are any free ones, whatever the addresses say."""
    trouble: Trouble = NO_TROUBLE
    """What is done to the wires."""

    def words(self) -> list[str]:
        """The same as options of ``athanor sim``."""
        paths = {"--truth": self.truth, "--results": self.results, "--log": self.log}
        paths |= {"--fault-log": self.trouble.fault_log, "--record": self.trouble.record}
        words = ["--speed", str(self.speed), "--seed", str(self.seed)]
        if self.trouble.faults:
            words += ["--faults", str(self.trouble.faults), "--fault-seed", str(self.trouble.fault_seed)]
        words += [word for name, path in paths.items() if path is not None for word in (name, str(path))]
        flags = {"--ephemeral": self.ephemeral, "--paced": self.trouble.paced}
        return words + [name for name, on in flags.items() if on]


@contextmanager
def serving(config: LabConfig, how: Serving) -> Iterator[dict[str, Any]]:
    """Serve every simulated address of a lab inside the block, announced to everybody.

    Gives what ``sim.json`` says. Nothing is left behind but files that `how` names.

    Raises:
        UsageError: Where no address is simulated, the lab is served already, or something cannot be served.
    """
    names = [name for name, device in config.devices.items() if device.place.simulated]
    if not names:
        raise UsageError(f"{config.path}: no address is a simulated one, so there is nothing to serve: write sim:MODEL")
    with _held(config.name) as (folder, descriptor):
        places = {"wires": folder / "wires", "results": folder / "raw", "log": folder / "plant.jsonl"}
        places["faults"] = folder / "faults.jsonl"
        _remove(places.values())  # left over from one that was killed
        try:
            with _served(config, names, how, places) as facts:
                _write(descriptor, facts)
                yield facts
        finally:
            # What was done on purpose stays to be read, until the next simulator of this lab begins.
            _remove(place for name, place in places.items() if name != "faults")


@contextmanager
def _served(config: LabConfig, names: Iterable[str], how: Serving, places: dict[str, Path]) -> Iterator[dict[str, Any]]:
    from lab.simulation import model_of_device, simulate

    clock = RealClock() if how.speed == 1.0 else ScaledClock(how.speed)
    results, log = how.results or places["results"], how.log or places["log"]
    trouble = how.trouble
    if trouble.faults and trouble.fault_log is None:
        trouble = replace(trouble, fault_log=places["faults"])
    wires = simulate(
        config,
        names,
        clock,
        places["wires"],
        results=results,
        seed=how.seed,
        truth=how.truth,
        ports="ephemeral" if how.ephemeral else "exact",
        log=log,
        prompt=True,
        trouble=trouble,
    )
    try:
        yield {
            "lab_name": config.name,
            "lab": str(config.path.resolve()),
            "pid": os.getpid(),
            "ready": True,
            "speed": how.speed,
            "endpoints": {name: wires.endpoints[name] for name in names},
            "models": {name: model_of_device(config.devices[name]) for name in wires.endpoints},
            "results": str(results.resolve()),
            "log": str(log.resolve()),
            "faulty": trouble.faults > 0,
            "faults": _told(trouble.fault_log),
            "record": _told(trouble.record),
            "clock": {
                "kind": "real" if how.speed == 1.0 else "scaled",
                "speed": how.speed,
                "start_s": clock.now(),
                "origin_s": time.monotonic(),
            },
        }
    finally:
        wires.close()


def _told(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def running_simulator(lab_name: str) -> dict[str, Any] | None:
    """Give what the simulator of a lab says about itself, or None where none is ready."""
    try:
        descriptor = os.open(lock_folder() / "run" / lab_name / FILE, os.O_RDWR)
    except OSError:
        return None
    try:
        if _lock(descriptor):
            return None  # left over from one that was killed
        content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        facts: dict[str, Any] = json.loads(content)
    except ValueError:  # it is coming up
        return None
    finally:
        os.close(descriptor)
    return facts if facts["ready"] else None


def start_simulator(lab_path: Path, lab_name: str, how: Serving | None = None) -> subprocess.Popen[str]:
    """Start ``athanor sim`` in a process and a session of its own, and wait until its instruments answer.

    Args:
        lab_path: The lab file.
        lab_name: The name in it.
        how: How they are served.

    Raises:
        UsageError: Where it does not come up, with what it said.
    """
    process = subprocess.Popen(
        [*COMMAND, "--lab", str(lab_path), *(how or Serving()).words()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline_s = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline_s and process.poll() is None:
        facts = running_simulator(lab_name)
        if facts is not None and facts["pid"] == process.pid:
            return process
        time.sleep(LOOK_S)
    process.kill()
    said = process.communicate()[1].strip().removeprefix("athanor: ")
    raise UsageError(said or f"the simulator of {lab_path} was not ready within {READY_WITHIN_S:g} s")


@contextmanager
def _held(lab_name: str) -> Iterator[tuple[Path, int]]:
    folder = runtime_folder(lab_name)
    path = folder / FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock(descriptor) or not _lies_at(descriptor, path):
            raise UsageError(f"the simulated instruments of lab {lab_name} are served already ({path}): end that first")
        try:
            _write(descriptor, {"pid": os.getpid(), "ready": False})
            yield folder, descriptor
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _write(descriptor: int, facts: dict[str, Any]) -> None:
    content = json.dumps(facts, indent=1).encode() + b"\n"
    os.pwrite(descriptor, content, 0)
    os.ftruncate(descriptor, len(content))


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _lies_at(descriptor: int, path: Path) -> bool:
    """Whether the file is still the one at its path: whoever held it before may have removed it meanwhile."""
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except OSError:
        return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
