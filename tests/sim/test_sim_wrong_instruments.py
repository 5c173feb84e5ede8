"""Every driver at the address of every other instrument of its kind of wire: whatever answers is quoted, not missed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from drivers.bus import Bus
from drivers.clock import JumpClock, RealClock
from drivers.errors import DriverError, LinkError, WrongInstrumentError
from drivers.registry import build
from sim import Instrument, Laboratory, Lot, Simulation, serve
from tests.cases.case import Case, all_cases, filled
from tests.drivers.fakes import FakeGate, Noted

pytestmark = pytest.mark.system

CASES = all_cases()
MODBUS = [case for case in CASES.values() if case.address.startswith("modbus-")]
STREAMS = [case for case in CASES.values() if not case.address.startswith(("modbus-", "dir:"))]
ASKED = [(case, wire) for case in STREAMS for wire in ("socket", "pty") if (case.driver, wire) != ("aeris", "pty")]
"""An Aeris is asked over TCP only."""
QUICK = {"timeout": 0.15, "quiet": 0.05}
TYPES = {"eurotherm-2416": 0x2410, "eurotherm-epc3016": 0xE316}
"""These two have one register map, and are told apart where the lab file says which type is meant."""
TALKATIVE = ("mt-sics-balance", "quantos", "robotiq-gripper", "text-door", "text-mill", "text-mover", "text-shaker")
"""Who answers whatever line comes, if only that it is none; a UR robot greets besides."""
LINES = (*TALKATIVE, "reflectance-spectrometer", "ur-robot")
"""Whose questions end with LF, so that those understand where they end."""


def served_at(case: Case, wire: str, number: int) -> str:
    return {
        "socket": f"socket://sim:{9000 + number}",
        "pty": f"pty:sim/{case.name}",
        "modbus-tcp": f"modbus-tcp://sim:{9000 + number}/1",
        "modbus-rtu": f"modbus-rtu:sim/{case.name}/1",
    }[wire]


@pytest.fixture
def simulation(wire: str, tmp_path: Path) -> Iterator[Simulation]:
    results = tmp_path / "results"
    results.mkdir()
    instruments = []
    for number, case in enumerate(MODBUS if wire.startswith("modbus") else STREAMS):
        alone = {key: value for key, value in filled(case.sim, results).items() if key != "watched_by"}
        instruments.append(Instrument(case.name, case.driver, served_at(case, wire, number), alone))
    plan = Laboratory("everything", tuple(instruments), {"TiO2-a": Lot("TiO2-a", "TiO2")}, seed=3)
    with serve(plan, RealClock(), tmp_path / "wires") as simulation:
        yield simulation


def met(case: Case, others: list[Case], simulation: Simulation, results: Path) -> dict[str, tuple[DriverError, bytes]]:
    """Have a driver ask each of the others who it is, all at once: what it says of each, and the bytes that came."""
    clock, gate = RealClock(), FakeGate(JumpClock())
    told = {**QUICK, **filled(case.options, results)}
    told |= {"limits": case.limits} if case.limits else {}
    told |= {"instrument_type": TYPES[case.driver]} if case.driver in TYPES else {}
    found: dict[str, tuple[DriverError, bytes]] = {}
    with ExitStack() as opened:
        asked = {}
        for other in others:
            noted, bus = Noted(), opened.enter_context(closing(Bus(other.name, clock, held=True)))
            device = build("it", case.driver, simulation.endpoints[other.name], told, gate, clock, noted, bus)
            asked[other.driver] = (device.ask_identity(), noted)
            bus.begin()
        for driver, (answer, noted) in asked.items():
            with pytest.raises(DriverError) as error:
                answer.result()
            found[driver] = (error.value, b"".join(data for _, way, data in noted.frames if way == "rx"))
    return found


@pytest.mark.parametrize(("case", "wire"), ASKED, ids=[f"{case.driver}-{wire}" for case, wire in ASKED])
def test_whoever_answers_and_is_another_is_quoted(
    case: Case, wire: str, simulation: Simulation, tmp_path: Path
) -> None:
    others = [other for other in STREAMS if other is not case]
    for driver, (error, came) in met(case, others, simulation, tmp_path / "results").items():
        said = f"{case.driver} at a {driver}: {error}"
        expected = driver in TALKATIVE and case.driver in LINES
        assert (came != b"") or not expected, said
        assert str(error).startswith("it: "), said
        assert simulation.endpoints[CASES[driver].name] in str(error), said
        assert "is the address right in the lab file" in str(error) or "and the address right" in str(error), said
        if not came:
            assert type(error) is LinkError, said
            assert "nobody answers at" in str(error), said
            continue
        assert isinstance(error, WrongInstrumentError), said
        pieces = [piece.decode("latin-1").strip() for piece in came.replace(b"\r", b"\n").split(b"\n")]
        assert any(piece and piece in str(error) for piece in pieces), f"{said}: nothing of {came!r} is quoted"


@pytest.mark.parametrize("wire", ["modbus-tcp", "modbus-rtu"])
@pytest.mark.parametrize("case", MODBUS, ids=[case.driver for case in MODBUS])
def test_a_modbus_unit_of_another_kind_is_no_silence(
    case: Case, wire: str, simulation: Simulation, tmp_path: Path
) -> None:
    others = [other for other in MODBUS if other is not case]
    for driver, (error, came) in met(case, others, simulation, tmp_path / "results").items():
        said = f"{case.driver} at a {driver}: {error}"
        assert came, said
        assert isinstance(error, WrongInstrumentError), said
        assert str(error).startswith(f"it: {simulation.endpoints[CASES[driver].name]} "), said
        assert "the address" in str(error), said
