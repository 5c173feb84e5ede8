"""One lab file with every driver in it, and one plan that uses every one of them on its simulated instrument."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")

import bluesky.plan_stubs as bps
from bluesky import Msg

from drivers.clock import JumpClock
from drivers.registry import driver_names
from lab.config.lab_file import LabConfig, load_lab
from lab.simulation import simulate
from lab.startup import Choices, OpenLab, open_lab

ROOT = Path(__file__).resolve().parents[2]
LAB = ROOT / "examples" / "instruments" / "lab.yaml"
PROGRAMME = "10-80deg-8min"
SHOT = {"integration_ms": 20.0, "averages": 10}
WARM_DEGC = 60.0
GRIPPERS = ("gripper-1", "gripper-2")

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

Plan = Generator[Msg, Any, Any]


@dataclass(frozen=True)
class Done:
    """What is left of the plan: its documents as the journal has them, and what happened in the plant."""

    config: LabConfig
    units: dict[str, str]
    """Reading -> unit, from the descriptors."""
    seen: dict[str, dict[str, Any]]
    """Device -> reading -> value, from the one event that is of it."""
    happened: list[str]
    result: dict[str, float]
    """What the plant itself says in the end: masses in mg, furnaces in degC, fingers from 0 to 1."""

    def value(self, device: str, signal: str) -> Any:
        return self.seen[device][f"{device}_{signal}"]

    def unit(self, device: str, signal: str) -> str:
        return self.units[f"{device}_{signal}"]

    def noted(self, *words: str) -> bool:
        return any(all(word in note for word in words) for note in self.happened)


# ---------------------------------------------------------------- the plan


def act(device: Any, verb: str, **arguments: Any) -> Plan:
    yield from bps.abs_set(device, verb, wait=True, **arguments)


def look(device: Any) -> Plan:
    """One event of one device, in a stream of its own."""
    yield from bps.create(device.name)
    yield from bps.read(device)
    yield from bps.save()


def fetch(doser: Any, mover: Any, number: int) -> Plan:
    yield from act(doser, "unlock-head")
    yield from act(mover, "head", doser=doser.name, number=number)
    if number:
        yield from act(doser, "lock-head")


def carry(mover: Any, source: str, goal: str, *doors: Any) -> Plan:
    for device in doors:
        yield from act(device, "open-door")
    yield from act(mover, "move", from_position=source, to_position=goal)
    for device in doors:
        yield from act(device, "close-door")


def prepare(d: dict[str, Any]) -> Plan:
    """Dose a powder, shake it, grind it, weigh its vial."""
    doser, mover, balance = d["doser-1"], d["mover-1"], d["balance-1"]
    yield from carry(mover, "vials/1", "doser-1/1", doser)
    yield from fetch(doser, mover, 2)
    yield from act(doser, "dose", mass_mg=400.0, tolerance_mg=4.0, sample_id="S1")
    yield from look(doser)
    yield from fetch(doser, mover, 0)
    yield from carry(mover, "doser-1/1", "shaker-1/1", doser)
    yield from act(d["shaker-1"], "shake", time_s=60.0, speed_rpm=600.0)
    yield from look(d["shaker-1"])
    yield from carry(mover, "shaker-1/1", "mill-2/1")
    yield from act(d["mill-2"], "mill", time_s=300.0, speed_rpm=300.0)
    yield from look(d["mill-2"])
    yield from act(balance, "close-door")
    yield from act(balance, "zero")
    yield from carry(mover, "mill-2/1", "balance-1/1", balance)
    yield from act(balance, "weigh")
    yield from look(balance)
    yield from carry(mover, "balance-1/1", "vials/1", balance)
    yield from look(mover)


def characterize(d: dict[str, Any]) -> Plan:
    """Have the robot take a holder from one instrument to the next."""
    robot, spectrometer = d["robot-1"], d["spectrometer-1"]
    yield from act(d["mover-1"], "pour", from_position="vials/1", to_position="holders/3", mass_mg=200.0)
    yield from act(robot, "move", from_position="holders/3", to_position="xrd-1/2")
    yield from look(robot)
    yield from act(d["xrd-1"], "measure", sample_id="S1", slot=2, program=PROGRAMME)
    yield from look(d["xrd-1"])
    yield from act(robot, "move", from_position="xrd-1/2", to_position="xrd-2/4")
    yield from act(d["xrd-2"], "measure", sample_id="S1-again", slot=4, program=PROGRAMME)
    yield from look(d["xrd-2"])
    yield from act(spectrometer, "lamp-on")
    yield from act(spectrometer, "reference-dark", **SHOT)
    yield from act(spectrometer, "reference-white", **SHOT)
    yield from act(robot, "move", from_position="xrd-2/4", to_position="spectrometer-1/1")
    yield from act(spectrometer, "measure", sample_id="S1", from_nm=400.0, to_nm=900.0, **SHOT)
    yield from look(spectrometer)


def handle(d: dict[str, Any]) -> Plan:
    """Grippers, gas, and a crucible into a furnace."""
    for gripper in (d[name] for name in GRIPPERS):
        yield from act(gripper, "activate")
        yield from act(gripper, "close", force_percent=40.0)
        yield from look(gripper)
    yield from act(d["gas-1"], "set-flow", sccm=100.0)
    yield from look(d["gas-1"])
    yield from act(d["door-1"], "door", furnace="furnace-1", open=True)
    yield from look(d["door-1"])
    yield from carry(d["mover-1"], "crucibles/1", "furnace-1/1")
    yield from act(d["door-1"], "door", furnace="furnace-1", open=False)


def heat(d: dict[str, Any]) -> Plan:
    """Every controller runs a programme at the same time; two of them behind their safety modules."""
    furnaces, modules = [d[f"furnace-{n}"] for n in range(1, 5)], [d["safety-1"], d["safety-2"]]
    for module in modules:
        yield from act(module, "scan")
        yield from act(module, "close-contactor")
        yield from act(module, "scan")
        yield from look(module)
    for furnace in furnaces:
        yield from bps.abs_set(furnace, "run-program", steps=((10.0, WARM_DEGC, 1800.0),), group="firing")
    yield from bps.wait("firing")
    for furnace in furnaces:
        yield from look(furnace)
    for module in modules:
        yield from act(module, "open-contactor")
    for furnace in furnaces:
        yield from act(furnace, "reset-program")


def use_every_driver(devices: dict[str, Any]) -> Plan:
    yield from bps.open_run()
    for part in (prepare, characterize, handle, heat):
        yield from part(devices)
    yield from bps.close_run()


# ---------------------------------------------------------------- running it


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder, config, clock = tmp_path_factory.mktemp("every-driver"), load_lab(LAB), JumpClock()
    results = folder / "raw"
    wires: Any = simulate(config, config.devices, clock, folder / "wires", results=results, seed=1)
    lab = open_lab(config, folder, Choices(seed=1), wires=wires, clock=clock)
    try:
        lab.start()
        clock.sleep_until(clock.now() + 5.0)
        hands = [wires.instruments[name].hand for name in GRIPPERS]
        with wires.plant.heat:
            for hand in hands:
                assert hand.surround(clock.now())
        run(lab)
        units, seen = documents(folder / "journal.jsonl")
        powder = wires.plant.labware_at("spectrometer-1/1").powder
        result = {"holder_mg": powder.mass_mg, "vial_mg": wires.plant.standing_at("vials/1").tare_mg}
        wires.plant.settle()
        with wires.plant.heat:
            result |= {name: furnace.thermocouple_degc for name, furnace in wires.plant.furnaces.items()}
            result |= {hand.name: hand.opening(clock.now()) for hand in hands}
        happened = [what for _, what in wires.plant.log]
    finally:
        lab.close()
    return Done(config, units, seen, happened, result)


def run(lab: OpenLab) -> None:
    plan = use_every_driver(lab.devices)
    lab.engines[0].run(plan, actor="auto", holder="test", devices=list(lab.devices), metadata={})


def documents(journal: Path) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Units of the descriptors and values of the events, as the journal has them."""
    entries = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    found = [(entry["name"], entry["document"]) for entry in entries if entry["kind"] == "document"]
    streams = {doc["uid"]: doc for name, doc in found if name == "descriptor"}
    units = {key: told["units"] for doc in streams.values() for key, told in doc["data_keys"].items()}
    return units, {streams[doc["descriptor"]]["name"]: doc["data"] for name, doc in found if name == "event"}


# ---------------------------------------------------------------- what it left


def test_the_lab_file_has_every_driver() -> None:
    assert {device.driver for device in load_lab(LAB).devices.values()} == set(driver_names())


def test_the_plan_uses_every_driver_and_every_device(done: Done) -> None:
    assert {done.config.devices[name].driver for name in done.seen} == set(driver_names())
    assert set(done.seen) == set(done.config.devices)


def test_every_device_answered(done: Done) -> None:
    assert {name: done.value(name, "comm_ok") for name in done.seen} == dict.fromkeys(done.seen, 1)


@pytest.mark.parametrize("furnace", [f"furnace-{n}" for n in range(1, 5)])
def test_furnaces_got_warm(done: Done, furnace: str) -> None:
    assert done.value(furnace, "peak_degc") == pytest.approx(WARM_DEGC, abs=3.0)
    assert done.value(furnace, "reading_degc") == pytest.approx(WARM_DEGC, abs=3.0)
    assert done.result[furnace] == pytest.approx(WARM_DEGC, abs=5.0)
    assert done.unit(furnace, "reading_degc") == done.unit(furnace, "setpoint_degc") == "degC"


def test_safety_modules_let_two_of_them_heat(done: Done) -> None:
    for module in ("safety-1", "safety-2"):
        assert done.value(module, "contactor_closed") == 1
        assert done.value(module, "ai1_degc") == pytest.approx(22.0, abs=2.0)
        assert done.unit(module, "ai1_degc") == "degC"


def test_powder_was_dosed_shaken_ground_and_weighed(done: Done) -> None:
    assert done.value("doser-1", "dosed_mg") == pytest.approx(400.0, abs=4.0)
    assert done.value("doser-1", "head_lot") == "TiO2-lot3"
    vial_mg = done.result["vial_mg"]
    assert done.value("balance-1", "mass_mg") == pytest.approx(vial_mg + done.value("doser-1", "dosed_mg"), abs=3.0)
    assert {done.unit("doser-1", "dosed_mg"), done.unit("balance-1", "mass_mg")} == {"mg"}
    for machine, said in (("shaker-1", "turned 60 s at 600 rpm"), ("mill-2", "turned 300 s at 300 rpm")):
        assert done.noted(machine, said)
        assert (done.value(machine, "state"), done.value(machine, "job")) == ("stop", "1 done")
        assert (done.unit(machine, "speed_rpm"), done.unit(machine, "left_s")) == ("rpm", "s")


def test_a_holder_went_from_one_instrument_to_the_next(done: Done) -> None:
    assert done.result["holder_mg"] == pytest.approx(200.0, rel=0.15)
    assert done.noted("moved robot-1/1 to xrd-1/2")
    assert done.noted("moved robot-1/1 to spectrometer-1/1")
    assert (done.value("robot-1", "robot_mode"), done.value("robot-1", "carrying")) == ("RUNNING", "")
    assert done.value("mover-1", "inside") == ""
    assert done.noted("mg poured vials/1 to holders/3")


def test_every_instrument_of_characterization_measured_it(done: Done) -> None:
    for name, sample in (("xrd-1", "S1"), ("xrd-2", "S1-again")):
        assert done.value(name, "result_sample") == sample
        assert Path(done.value(name, "result_path")).stat().st_size > 10_000
        assert done.noted(name, f"measures {sample}")
    wavelengths_nm = done.value("spectrometer-1", "wavelengths_nm")
    reflectance = done.value("spectrometer-1", "reflectance")
    assert (wavelengths_nm[0], wavelengths_nm[-1], len(reflectance)) == (400.0, 900.0, len(wavelengths_nm))
    assert 0.0 < min(reflectance) < max(reflectance) < 1.2
    assert done.unit("spectrometer-1", "wavelengths_nm") == "nm"


def test_grippers_gas_and_door_did_as_they_were_told(done: Done) -> None:
    for gripper in GRIPPERS:
        assert done.value(gripper, "holding") == "yes"
        assert done.value(gripper, "opening_percent") == pytest.approx(100.0 * done.result[gripper], abs=2.0)
        assert done.unit(gripper, "opening_percent") == "percent"
    assert done.value("gas-1", "flow_sccm") == pytest.approx(100.0, abs=2.0)
    assert (done.unit("gas-1", "flow_sccm"), done.unit("gas-1", "pressure_kpa")) == ("sccm", "kPa")
    assert done.value("door-1", "open_doors") == "furnace-1"
    for said in ("furnace-1 door open", "furnace-1 door closed", "moved crucibles/1 to furnace-1/1"):
        assert done.noted(said)


def test_nothing_is_unknown_but_inputs_that_nobody_wired(done: Done) -> None:
    unknown = {key for data in done.seen.values() for key, value in data.items() if is_unknown(value)}
    assert unknown == {f"safety-{module}_ai{n}" for module in (1, 2) for n in range(4, 9)}


def is_unknown(value: object) -> bool:
    return value in ("unknown", None) or (isinstance(value, float) and math.isnan(value))
