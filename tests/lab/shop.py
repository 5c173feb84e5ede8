"""A workshop with one watched furnace, and everything that a sample or a campaign needs."""

from __future__ import annotations

import os

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drivers.clock import JumpClock
from lab.records.journal import Journal, read_journal
from lab.scheduling.engine import TaskEngine
from lab.scheduling.reservations import Reservations
from lab.scheduling.sample_run import Bench, SampleRecord, SampleRunner
from protocols.recipe import Cool, Dwell, Firing, Mixing, PrecursorAmount, Ramp, Recipe, Target, XrdScan
from tests.lab.bench import Device, Signal, Told

PROGRAMME_S = 7200.0
FIRING = Firing(
    segments=(Ramp(rate_degc_per_min=10, to_degc=950), Dwell(time_s=3600), Cool(rate_degc_per_min=10, to_degc=60))
)


def recipe(firings: int = 1) -> Recipe:
    return Recipe(
        target=Target(formula="BaTiO3"),
        precursors=(PrecursorAmount(lot="BaCO3-lot7", mass_mg=592), PrecursorAmount(lot="TiO2-lot3", mass_mg=240)),
        mixing=Mixing(time_s=600, speed_rpm=300),
        firings=(FIRING,) * firings,
        measure=(XrdScan(from_deg=10, to_deg=80, time_s=480),),
    )


@dataclass(eq=False)
class Doser(Device):
    """Holds on each head the lot that the lab file says."""

    def __post_init__(self) -> None:
        self.head_lot, self.dosed_mg = Signal(""), Signal(0.0)
        self.on_done = self._done

    def _done(self, verb: str, arguments: dict[str, Any]) -> None:
        if verb == "head-info":
            number = next(told.arguments["number"] for told in reversed(self.told) if told.verb == "head")
            self.head_lot.value = {1: "BaCO3-lot7", 2: "TiO2-lot3"}[number]
        elif verb == "dose":
            self.dosed_mg.value = arguments["mass_mg"] + 0.2


@dataclass
class Shop:
    """A bench with one watched furnace, and everything that a sample needs."""

    folder: Path
    told: list[Told] = field(default_factory=list)
    stages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.told_people: list[str] = []
        self.clock = JumpClock(0.0)
        self.reservations = Reservations(self.clock)
        self.journal = Journal(self.folder / "journal.jsonl", self.clock, "simulated")
        self.engine = TaskEngine(self.clock, lambda name, document: None)
        self.furnace = self.device("furnace-1", {"run-program": PROGRAMME_S, "wait-cooled": 1800.0}, peak_degc=948.0)
        self.safety = self.device("safety-1", {}, ai1_degc=25.0, contactor_closed=1.0)
        self.mover = self.device("mover-1", {"mix": 600.0}, labware="")
        self.xrd = self.device("xrd-1", {"measure": 480.0}, result_path="raw/sample-001.xrdml")
        self.doser = Doser("doser-1", self.clock, self.told)
        self.bench = Bench(
            {"furnace-1": self.furnace},
            {"furnace-1": self.safety},
            self.doser,
            self.mover,
            self.xrd,
            {"BaCO3-lot7": 1, "TiO2-lot3": 2},
            lambda name, firing: True,
        )

    def device(self, name: str, takes_s: dict[str, float], **signals: Any) -> Device:
        device = Device(name, self.clock, self.told, takes_s=takes_s)
        for signal, value in signals.items():
            setattr(device, signal, Signal(value))
        return device

    def run(self, made: Recipe) -> SampleRecord:
        record = SampleRecord("sample-001", 1, made)
        runner = SampleRunner(
            self.bench,
            self.clock,
            self.reservations,
            self.engine,
            self.journal,
            record,
            "10-80deg-8min",
            lambda r: self.stages.append(r.stage),
            lambda key, text, guidance: self.told_people.append(text),
        )
        assert runner.run() is record
        assert self.reservations.held == {}
        return record

    def verbs(self, device: str) -> list[str]:
        return [told.verb for told in self.told if told.device == device]

    def kinds(self) -> list[tuple[str, str]]:
        return [(e["kind"], e["task"]) for e in read_journal(self.journal.path) if "task" in e]

    def close(self) -> None:
        self.engine.close()
        self.journal.close()
