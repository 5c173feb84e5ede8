"""Devices that no recipe uses: rules hold for them too, and they end as safe as the others."""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

import json
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import pytest
from bluesky import Msg

from drivers.gate import CommandDeniedError
from lab.config.lab_file import LabConfig, load_lab
from lab.startup import Choices, OpenLab, open_lab

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SIGNALS = """\
  mill2.oxidiser: {source: mill-2.contents.oxidiser, max_age: 5 s}
  mill2.organic: {source: mill-2.contents.organic, max_age: 5 s}
"""
RULE = """\
  - id: MILL2-CHEM
    kind: permissive
    for: mill-2.mill
    when: "not (mill2.oxidiser and mill2.organic)"
    guidance: never grind these together
"""

pytestmark = pytest.mark.system


@pytest.fixture
def config(tmp_path: Path) -> LabConfig:
    rules = (EXAMPLES / "interlocks.yaml").read_text(encoding="utf-8")
    rules = rules.replace("  mill.oxidiser:", f"{SIGNALS}  mill.oxidiser:", 1).replace(
        "\nrules:\n", f"\nrules:\n{RULE}", 1
    )
    (tmp_path / "interlocks.yaml").write_text(rules, encoding="utf-8")
    text = (EXAMPLES / "instruments" / "lab.yaml").read_text(encoding="utf-8")
    text = text.replace("../inventory", f"{EXAMPLES}/inventory").replace("../interlocks", str(tmp_path / "interlocks"))
    (tmp_path / "lab.yaml").write_text(text, encoding="utf-8")
    return load_lab(tmp_path / "lab.yaml")


@contextmanager
def at_work(config: LabConfig, folder: Path) -> Iterator[OpenLab]:
    folder.mkdir()
    opened = open_lab(config, folder, Choices(seed=3))
    with closing(opened):
        opened.start()
        yield opened


def act(lab: OpenLab, device: str, verb: str, **arguments: object) -> None:
    """Have a plan begin something, as a recipe would."""

    def plan() -> Generator[Msg, Any, None]:
        yield from bps.abs_set(lab.devices[device], verb, **arguments)

    lab.engines[0].run(
        plan(),
        actor="auto",
        holder="test",
        devices={device},
        keys=set(),
        on_standing=lambda standing, why: None,
        metadata={},
    )


def test_a_rule_on_a_mill_holds_while_nobody_knows_what_is_in_it(config: LabConfig, tmp_path: Path) -> None:
    turn: dict[str, object] = {"time_s": 60.0, "speed_rpm": 300.0}
    with at_work(config, tmp_path / "run") as lab:
        with pytest.raises(CommandDeniedError, match=r"MILL2-CHEM: .*unknown.*: never grind these together"):
            act(lab, "mill-2", "mill", **turn)
        lab.bench.contents.weighed("s1", ["BaCO3-lot7", "TiO2-lot3"])
        lab.bench.contents.put("s1", "mill-2", alone=True)
        act(lab, "mill-2", "mill", **turn)


def test_a_furnace_that_no_station_uses_ends_without_a_programme(config: LabConfig, tmp_path: Path) -> None:
    with at_work(config, tmp_path / "run") as lab:
        furnace = lab.devices["furnace-3"]
        act(lab, "furnace-3", "run-program", steps=((10.0, 300.0, 36_000.0),))
        lab.clock.sleep_until(lab.clock.now() + 600.0)
        assert furnace.program_status.get() == "run"
    assert furnace.program_status.get() == "reset"


def test_what_nobody_watches_is_in_the_record_of_the_run(config: LabConfig, tmp_path: Path) -> None:
    with at_work(config, tmp_path / "run"):
        pass
    entries = map(json.loads, (tmp_path / "run" / "journal.jsonl").read_text(encoding="utf-8").splitlines())
    notes = [entry["text"] for entry in entries if entry["kind"] == "note" and "no safety module" in entry["text"]]
    assert [f"devices.furnace-{n}: " in note for n, note in zip((3, 4), notes, strict=True)] == [True, True]
