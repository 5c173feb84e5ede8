"""The production drivers on wires that break: what they show is right or unknown, and they come back."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.address import port_of
from drivers.bus import Bus
from drivers.clock import JumpClock
from drivers.gate import Command, Granted, acting_as
from drivers.instrument import Instrument as Device
from drivers.registry import build
from drivers.transcript import NoTranscript
from sim import Instrument, Laboratory, Lot, Simulation, serve
from sim.relay import Fault

pytestmark = pytest.mark.system

TIMEOUT_S, LATE_S = 0.04, 0.06
"""Of every link, and by how much late replies are late; wall time."""
STEP_S = 20.0
XOFF = b"\x13"
TIMES = 4
"""More than a link tries."""

WIRES: dict[str, tuple[Instrument, dict[str, object]]] = {
    "eurotherm-3216p": (
        Instrument("furnace-1", "eurotherm-3216p", "modbus-rtu:sim/furnace-1/1"),
        {"limits": {"setpoint": 1100.0, "ramp": 10.0}, "quiet": 0.03},
    ),
    "safety-io": (Instrument("safety-1", "safety-io", "modbus-tcp://sim:5020/1"), {"poll": 10.0}),
    "text-mover": (Instrument("mover-1", "text-mover", "socket://sim:7101"), {"quiet": 0.03}),
    "quantos": (
        Instrument("doser-1", "quantos", "pty:sim/doser-1", {"heads": {1: "BaCO3-a"}}),
        {"limits": {"mass": 2000.0}, "quiet": 0.03},
    ),
    "aeris": (Instrument("xrd-1", "aeris", "socket://sim:7702"), {}),
}
"""Driver -> the simulated instrument and what the driver is told."""

EVERYWHERE = (
    Fault.NO_REPLY,
    Fault.LATE_REPLY,
    Fault.DUPLICATE_REPLY,
    Fault.PARTIAL_FRAME,
    Fault.DISCONNECT,
    Fault.TWO_MASTERS,
    Fault.SLOW_DRIP,
    Fault.UNSOLICITED,
)
CASES = [(driver, fault) for driver in WIRES for fault in EVERYWHERE]
CASES += [
    ("eurotherm-3216p", fault)
    for fault in (Fault.BAD_CHECKSUM, Fault.NOISE, Fault.FOREIGN_REPLY, Fault.EXCEPTION, Fault.BUSY)
]
CASES += [("safety-io", fault) for fault in (Fault.FOREIGN_REPLY, Fault.EXCEPTION, Fault.BUSY)]
CASES += [(driver, Fault.DEAD_CONNECTION) for driver in ("safety-io", "text-mover", "aeris")]


class OpenGate:
    """Grants everything."""

    def __init__(self, clock: JumpClock) -> None:
        self._clock = clock

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        return Granted(command, self._clock.now())


@dataclass
class Watched:
    """One driver and its simulated instrument."""

    device: Device
    simulation: Simulation
    clock: JumpClock
    bus: Bus

    @property
    def name(self) -> str:
        return str(self.device.name)

    def wait(self, seconds: float) -> None:
        self.clock.sleep_until(self.clock.now() + seconds)

    def shown(self) -> dict[str, object]:
        return {name: getattr(self.device, name).get() for name in self.device.MEASURED}

    def watch(self, steps: int) -> list[tuple[int, dict[str, object]]]:
        """What was shown after each step."""
        seen = []
        for _ in range(steps):
            self.wait(STEP_S)
            seen.append((int(self.device.comm_ok.get()), self.shown()))
        return seen

    def comes_back(self) -> bool:
        self.simulation.relay.stop()
        for _ in range(40):
            self.wait(STEP_S)
            if self.device.comm_ok.get():
                return True
            time.sleep(0.02)  # a cable is out for a while of wall time, which no lab time brings back
        return False


@contextmanager
def watched(driver: str, folder: Path) -> Iterator[Watched]:
    instrument, options = WIRES[driver]
    clock = JumpClock()
    told: dict[str, object] = {"timeout": TIMEOUT_S, **options}
    if driver == "aeris":
        instrument = Instrument("xrd-1", "aeris", "socket://sim:7702", {"dir": str(folder / "results")})
        told["results"] = f"dir:{folder / 'results'}"
    laboratory = Laboratory("powder-1", (instrument,), {"BaCO3-a": Lot("BaCO3-a", "BaCO3")}, seed=9)
    with serve(laboratory, clock, folder / "wires") as simulation:
        simulation.relay.late_s = LATE_S
        address = simulation.endpoints[instrument.name]
        bus = Bus(port_of(address), clock)
        try:
            device = build(instrument.name, driver, address, told, OpenGate(clock), clock, NoTranscript(), bus)
            one = Watched(device, simulation, clock, bus)
            one.wait(130.0)  # every signal was looked at
            yield one
        finally:
            bus.close()


def unknown(value: object) -> bool:
    return value == "unknown" or (isinstance(value, float) and math.isnan(value))


def right(shown: dict[str, object], true: dict[str, object]) -> bool:
    """Whether what is shown is what was shown before, noise apart, or unknown."""
    return all(unknown(value) or alike(value, true[name]) for name, value in shown.items())


def alike(value: object, other: object) -> bool:
    return value == (pytest.approx(other, abs=2.0) if isinstance(value, float) else other)


@pytest.mark.parametrize(("driver", "fault"), CASES)
def test_nothing_wrong_is_shown_while_the_wire_breaks(driver: str, fault: Fault, tmp_path: Path) -> None:
    with watched(driver, tmp_path) as one:
        assert one.device.comm_ok.get() == 1
        true = one.shown()
        one.simulation.relay.inject(one.name, fault, TIMES, lasting=3)
        seen = one.watch(20)
        assert {injection.fault for injection in one.simulation.relay.history} == {fault}
        assert [shown for _, shown in seen if not right(shown, true)] == []
        assert [shown for ok, shown in seen if not ok and not all(map(unknown, shown.values()))] == []
        assert one.comes_back()
        assert right(one.shown(), true)
        assert one.bus.ended is None


@pytest.mark.parametrize("driver", list(WIRES))
def test_silence_is_shown_and_measured_values_are_unknown(driver: str, tmp_path: Path) -> None:
    with watched(driver, tmp_path) as one:
        one.simulation.relay.inject(one.name, Fault.NO_REPLY, 100, variant="reply")
        silent = [shown for ok, shown in one.watch(8) if not ok]
        assert silent
        assert all(unknown(value) for shown in silent for value in shown.values())
        assert one.comes_back()


@pytest.mark.parametrize("driver", ["safety-io", "text-mover", "aeris"])
def test_a_connection_that_hangs_is_replaced(driver: str, tmp_path: Path) -> None:
    with watched(driver, tmp_path) as one:
        one.simulation.relay.inject(one.name, Fault.DEAD_CONNECTION, variant="half-open")
        assert 1 in [ok for ok, _ in one.watch(6)]
        assert one.comes_back()


@pytest.mark.parametrize("driver", ["safety-io", "text-mover", "aeris"])
def test_without_a_checksum_a_changed_value_ends_nothing(driver: str, tmp_path: Path) -> None:
    with watched(driver, tmp_path) as one:
        true = one.shown()
        one.simulation.relay.inject(one.name, Fault.PAYLOAD_CORRUPTION, 8)
        one.watch(20)
        assert one.comes_back()
        one.wait(300.0)
        assert right(one.shown(), true)
        assert one.bus.ended is None


def test_a_broken_thermocouple_is_unknown_and_not_full_scale(tmp_path: Path) -> None:
    with watched("eurotherm-3216p", tmp_path) as one:
        one.simulation.relay.inject(one.name, Fault.SENSOR_BREAK, lasting=None)
        seen = [shown["reading_degc"] for _, shown in one.watch(6)]
        assert all(isinstance(value, float) and not value > 100.0 for value in seen)
        assert any(unknown(value) for value in seen)
        assert one.comes_back()


def test_a_watchdog_that_expires_is_seen_and_not_armed_again(tmp_path: Path) -> None:
    with watched("safety-io", tmp_path) as one:
        for verb, arguments in (("start-watchdog", {"timeout_s": 3000.0}), ("close-contactor", {})):
            with acting_as("safety monitor"):
                one.device.set(verb, **arguments)
        one.wait(60.0)
        assert (one.device.watchdog.get(), one.device.contactor_closed.get()) == ("running", 1.0)
        one.simulation.relay.inject(one.name, Fault.WATCHDOG_EXPIRY)
        one.watch(3)
        assert (one.device.watchdog.get(), one.device.contactor_closed.get()) == ("expired", 0.0)
        one.watch(10)
        assert one.device.watchdog.get() == "expired"


def test_a_movement_whose_reply_is_lost_is_done_once(tmp_path: Path) -> None:
    with watched("text-mover", tmp_path) as one:
        for variant in ("reply", "request"):
            one.simulation.relay.inject(one.name, Fault.NO_REPLY, variant=variant)
            source, goal = ("vials/1", "mill-1/1") if variant == "reply" else ("mill-1/1", "vials/1")
            status = one.device.set("move", from_position=source, to_position=goal)
            one.watch(10)
            assert status.done
            assert status.exception() is None
        assert len(one.simulation.instruments["mover-1"]._jobs) == 2  # type: ignore[attr-defined]


def test_noise_that_stops_the_line_is_overcome(tmp_path: Path) -> None:
    with watched("quantos", tmp_path) as one:
        one.simulation.instruments["doser-1"].unsolicited = lambda: XOFF  # type: ignore[attr-defined]
        one.simulation.relay.inject(one.name, Fault.UNSOLICITED)
        one.watch(6)
        assert one.comes_back()


def test_a_setpoint_that_is_acknowledged_and_ignored_fails_the_command(tmp_path: Path) -> None:
    with watched("eurotherm-3216p", tmp_path) as one:
        one.simulation.relay.inject(one.name, Fault.SETPOINT_IGNORED, 20)
        status = one.device.set("set-setpoint", degc=400.0)
        one.watch(6)
        assert status.done
        assert not status.success
