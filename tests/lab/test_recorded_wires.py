"""A recording in place of instruments, as a lab file has them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drivers.clock import JumpClock
from drivers.kinds import Kind
from lab.simulation import recorded_wires

pytestmark = pytest.mark.system


def test_a_replayed_job_folder_is_known_by_the_marker_of_the_lab_file(tmp_path: Path) -> None:
    transcript = tmp_path / "transcript.jsonl"
    links = {"xrd-2": {"model": "file-drop-diffractometer", "address": "dir:sim/xrd-2"}}
    transcript.write_text(json.dumps({"header": {"links": links}}) + "\n")
    device = SimpleNamespace(kind=Kind.DIFFRACTOMETER, told={"marker": "instrument.txt"})
    config: Any = SimpleNamespace(devices={"xrd-2": device})
    wires = recorded_wires(config, transcript, JumpClock(), tmp_path / "raw", tmp_path / "wires")
    folder = Path(wires.endpoints["xrd-2"].removeprefix("dir:"))
    assert [path.name for path in folder.iterdir()] == ["instrument.txt"]
    wires.close()
