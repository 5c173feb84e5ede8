"""``athanor stop``: everything stops, now; needs nothing, and asks nothing."""

from __future__ import annotations

import getpass
import json
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.cli.errors import FAILED, sentences
from lab.errors import UsageError
from lab.records.lock import held_labs, lock_folder
from lab.safety.supervisor.process import SupervisorGoneError, ask, supervised_labs

WITHIN_S = 5.0


@dataclass
class StoppedLab:
    """What came of stopping one lab."""

    lab: str
    acknowledged: dict[str, float | None] = field(default_factory=dict)
    """Output to milliseconds, None where its module did not acknowledge."""
    devices: dict[str, str | None] = field(default_factory=dict)
    """Device to None where it stopped, else why not."""
    service: bool = False
    """Whether there was a lab service to ask the devices."""
    error: str | None = None
    """Why its supervisor could not be asked."""

    @property
    def complete(self) -> bool:
        """Whether everything acknowledged."""
        silent = None in self.acknowledged.values() or any(why is not None for why in self.devices.values())
        return self.error is None and not silent


def stop_all(*, lab: str | None = None, data: Path | None = None, as_json: bool = False) -> None:
    """Stop every lab that has a supervisor, or one; ends with exit code 1 where something did not acknowledge.

    Args:
        lab: Name of the lab; None for all.
        data: Data folder of a run, in place of a name.
        as_json: Print one JSON document at the end instead of a line for each acknowledgement.
    """
    with sentences():
        names = _names(lab, data)
    stopped = [StoppedLab(name) for name in names]
    threads = [threading.Thread(target=_stop, args=(each, as_json)) for each in stopped]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if as_json:
        found = [{**vars(each), "complete": each.complete} for each in stopped]
        sys.stdout.write(json.dumps(found) + "\n")
    if not all(each.complete for each in stopped):
        raise SystemExit(FAILED)


def _names(lab: str | None, data: Path | None) -> list[str]:
    names = supervised_labs()
    if data is not None:
        wanted = [Path(str(held["runtime"])).name for held in held_labs() if held["data"] == str(data.resolve())]
        if not wanted:
            raise UsageError(f"--data {data}: nobody runs a lab with this data folder: give --lab, or nothing for all")
    else:
        wanted = names if lab is None else [lab]
    if not wanted or not set(wanted) <= set(names):
        known = ", ".join(names) or "none"
        raise UsageError(
            f"no safety supervisor of {lab or 'any lab'} is known in {lock_folder() / 'run'}: there are {known}; "
            "use the emergency stop at the instruments"
        )
    return wanted


def _stop(stopped: StoppedLab, as_json: bool) -> None:
    def tell(event: dict[str, Any]) -> None:
        if not as_json:
            _say(f"{stopped.lab}: {_line(event)}")

    message = {"do": "stop", "actor": f"{getpass.getuser()} at a shell", "follow": True}
    try:
        answered = ask(lock_folder() / "run" / stopped.lab, message, within_s=WITHIN_S, on_progress=tell)
    except SupervisorGoneError as error:
        stopped.error = f"{error}; without it the modules' watchdogs open the contactors: go and see"
        sys.stderr.write(f"athanor: {stopped.lab}: {stopped.error}\n")
        return
    stopped.acknowledged, stopped.devices = answered["acknowledged"], answered["devices"]
    stopped.service = answered["lab"]
    for device, why_not in stopped.devices.items():
        if why_not == "no answer":
            tell({"device": device, "why": why_not})
    if not stopped.service and not as_json:
        _say(f"{stopped.lab}: no lab service is there: its devices were not asked, their power is off")


def _line(event: dict[str, Any]) -> str:
    """One acknowledgement, or that there was none.

    >>> _line({"output": "f1.heater", "ms": 1.25}), _line({"device": "doser-1", "ms": None, "why": "busy"})
    ('f1.heater open after 1 ms', 'doser-1 DID NOT STOP: busy')
    """
    name = event.get("output") or event.get("device")
    if event.get("ms") is not None:
        return f"{name} {'open' if 'output' in event else 'stopped'} after {event['ms']:.0f} ms"
    if "output" in event:
        return f"{name} DID NOT ACKNOWLEDGE: switch its supply off by hand"
    return f"{name} DID NOT STOP: {event['why']}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
