"""The alarms' events on the disk: one JSON object a line, appended; the last one of each alarm is how it stands.

The file is no record that anything rests on (the audit log is): where the disk does not take an event, alarms go
on without, and `fault` says so.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from lab.safety.alarms.states import Alarm, Change, from_json

LONGEST_BYTES = 5_000_000
"""A file longer than that is put aside at the next start, and a new one begun with what stands."""


class AlarmFile:
    """One file of alarm events."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fault: str | None = None
        """Why the newest event is not on the disk; None where it is."""

    def load(self) -> tuple[dict[str, Alarm], int]:
        """The last state of every alarm, and how many lines could not be read."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}, 0
        except OSError as error:
            self.fault = f"{self.path}: cannot be read ({error.strerror})"
            return {}, 1
        alarms: dict[str, Alarm] = {}
        unreadable = 0
        # Behind the last newline stands nothing, or what a crash left half written.
        for line in lines[:-1]:
            try:
                alarm = from_json(json.loads(line)["alarm"])
            except (ValueError, TypeError, KeyError):
                unreadable += 1
            else:
                # In the order of their last events.
                alarms.pop(alarm.key, None)
                alarms[alarm.key] = alarm
        return alarms, unreadable

    def append(self, t_s: float, change: Change, alarm: Alarm) -> None:
        """Write one event; sets `fault` where that fails."""
        line = _line(t_s, change, alarm)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                # After a torn line: on a line of its own.
                torn = file.tell() > 0 and not _ends_whole(self.path)
                file.write(b"\n" + line if torn else line)
        except OSError as error:
            self.fault = f"{self.path}: alarms are not kept ({error.strerror})"
        else:
            self.fault = None

    def shorten(self, t_s: float, alarms: Iterable[Alarm]) -> None:
        """Put a file that has grown too long aside, and begin a new one with what stands."""
        try:
            if self.path.stat().st_size <= LONGEST_BYTES:
                return
            new, aside = self.path.with_suffix(".new"), self.path.with_suffix(".old.jsonl")
            new.write_bytes(b"".join(_line(t_s, Change.KEPT, alarm) for alarm in alarms))
            aside.unlink(missing_ok=True)
            os.link(self.path, aside)
            new.replace(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            self.fault = f"{self.path}: was not shortened ({error.strerror})"


def _line(t_s: float, change: Change, alarm: Alarm) -> bytes:
    event = {"t": t_s, "change": change, "alarm": alarm.to_json()}
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
