"""``athanor status``: how a run is doing, read from its journal."""

from __future__ import annotations

import json
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.cli.errors import sentences
from lab.errors import UsageError

FOLLOW_S = 1.0


class State(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    ENDED = "ended"
    """Its journal says that it came to an end, good or bad."""
    DIED = "died"
    """Nobody runs it any more, and its journal knows of no end."""


def show_status(data: Path | None, *, follow: bool, as_json: bool) -> None:
    """Print one status per run, again every second with `follow` until none goes on any more."""
    with sentences():
        folders = _folders(data)
        while True:
            found = [status_of(folder) for folder in folders]
            _print(found, as_json=as_json)
            if not follow or all(status["state"] != State.RUNNING for status in found):
                return
            time.sleep(FOLLOW_S)


def status_of(folder: Path) -> dict[str, Any]:
    """What the journal of a data folder says of its run, and whether somebody still runs it.

    Raises:
        JournalError: Where there is no readable journal.
    """
    from lab.records.journal import JournalError, read_journal

    # Asked before the journal is read: a run that ends in between has written so.
    held = _is_held(folder)
    status: dict[str, Any] = {"data": str(folder), "campaign": None, "world": None, "ended": False, "tripped": []}
    samples: dict[str, dict[str, Any]] = {}
    first_s = last_s = None
    for entry in read_journal(folder / "journal.jsonl"):
        first_s, last_s = first_s or entry["t"], entry["t"]
        status["world"] = entry["world"]
        try:
            _take_in(entry, status, samples)
        except KeyError as error:
            raise JournalError(
                f"{folder / 'journal.jsonl'}, entry {entry['n']}: {entry['kind']} without {error}: "
                "the file was changed, restore it from a copy"
            ) from None
    status["state"] = State.ENDED if status["ended"] else State.RUNNING if held else State.DIED
    status["samples"] = [{"sample": name, **sample} for name, sample in samples.items()]
    status["virtual_s"] = (last_s or 0.0) - (first_s or 0.0)
    return status


def _take_in(entry: dict[str, Any], status: dict[str, Any], samples: dict[str, dict[str, Any]]) -> None:
    kind, name = entry["kind"], entry.get("sample")
    if kind == "campaign-started":
        status["campaign"], status["budget"] = entry["campaign"], entry["samples"]
    elif kind in {"campaign-ended", "campaign-failed", "abandoned"}:
        status["ended"] = True
    elif kind == "safety":
        status["tripped"] = entry["tripped"]
    elif kind == "reset":
        status["tripped"] = entry["after"]
    elif kind == "suggested":
        samples[name] = {"stage": "waiting", "reason": entry["reason"], "objectives": {}}  # type: ignore[index]
    elif kind in {"task-started", "task-failed"}:
        samples[name]["stage"] = f"{entry['task']} on {entry['station']}"  # type: ignore[index]
    elif kind in {"held", "restarting"}:
        samples[name]["stage"] = f"held: {entry['reason']}" if kind == "held" else entry["task"]  # type: ignore[index]
    elif kind == "observed":
        samples[name] |= {"stage": entry["outcome"], "objectives": entry["objectives"]}  # type: ignore[index]


def _is_held(folder: Path) -> bool:
    return folder.resolve() in _held_folders()


def _held_folders() -> list[Path]:
    from lab.records.lock import held_labs

    return [Path(str(lab["data"])) for lab in held_labs()]


def _folders(data: Path | None) -> list[Path]:
    if data is not None:
        if not (data / "journal.jsonl").is_file():
            missing = "holds no journal" if data.is_dir() else "there is no such folder"
            raise UsageError(f"--data {data}: {missing}: is this the data folder of a run?")
        return [data]
    # A run that has only just begun has no journal yet.
    folders = [folder for folder in _held_folders() if (folder / "journal.jsonl").is_file()]
    if not folders:
        raise UsageError("no run goes on now: give the data folder of one that has ended with --data")
    return folders


def _print(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for status in found:
        hours = status["virtual_s"] / 3600
        console.print(
            f"{status['campaign']} ({status['world']}, {status['state']}), lab time {hours:.1f} h, "
            f"data in {status['data']}"
        )
        if status["tripped"]:
            console.print(f"tripped: {', '.join(status['tripped'])}", style="bold red")
        table = Table("sample", "stage", "objectives", "reason")
        for sample in status["samples"]:
            objectives = ", ".join(
                f"{name} {value:.3g} ± {sd:.2g}" for name, (value, sd) in sample["objectives"].items()
            )
            table.add_row(sample["sample"], sample["stage"], objectives, sample["reason"])
        console.print(table)
