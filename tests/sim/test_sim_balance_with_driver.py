"""The production driver and an independent public package at the wire of the simulated balance."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers.bus import Bus
from drivers.clock import Clock, JumpClock, ScaledClock
from drivers.errors import ActionFailedError
from drivers.gate import Command, Granted
from drivers.instrument import Instrument as Device
from drivers.registry import build
from drivers.transcript import NoTranscript
from sim import Instrument, Laboratory, Lot, Simulation, serve

pytestmark = pytest.mark.system


class OpenGate:
    """Grants everything."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def request(self, command: Command, lease: str | None, actor: str) -> Granted:
        return Granted(command, self._clock.now())


class Bench:
    """One device, and the simulation behind its wire."""

    def __init__(self, simulation: Simulation, device: Device, clock: JumpClock) -> None:
        self.simulation, self.device, self.clock = simulation, device, clock

    def do(self, verb: str, **arguments: object) -> BaseException | None:
        """Do one thing, wait in lab time until it is done, and give how it failed."""
        status = self.device.set(verb, **arguments)
        while not status.done:
            self.clock.sleep_until(self.clock.now() + 1.0)
        return status.exception()

    def move(self, source: str, destination: str) -> float:
        """Move a vessel with invisible hands, and give its mass in mg."""
        plant = self.simulation.plant
        with plant.lock:
            plant.move(source, destination)
            vessel = plant.labware_at(destination)
            assert vessel is not None
            return vessel.gross_mg

    def get(self, signal: str) -> Any:
        return getattr(self.device, signal).get()


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    model, address, options, told = request.param
    clock = JumpClock()
    instruments = (Instrument("weigher", model, address, options),)
    plan = Laboratory("lab", instruments, {"TiO2-a": Lot("TiO2-a", "TiO2")}, seed=5)
    with serve(plan, clock, tmp_path / "wires") as simulation:
        bus = Bus("bus", clock)
        endpoint, gate = simulation.endpoints["weigher"], OpenGate(clock)
        device = build("weigher", model, endpoint, told, gate, clock, NoTranscript(), bus)
        yield Bench(simulation, device, clock)
        bus.close()


Kind = tuple[str, str, dict[str, object], dict[str, object]]
"""Driver, address, what the simulator is told, what the driver is told."""
TOLD: dict[str, object] = {"limits": {"mass": 220_000.0}}
BALANCE: Kind = ("mt-sics-balance", "pty:sim/weigher", {}, TOLD)
HASTY: Kind = ("mt-sics-balance", "pty:sim/weigher", {}, {**TOLD, "timeout": 0.2, "quiet": 0.05})
OVER_TCP: Kind = ("mt-sics-balance", "socket://sim:7301", {}, TOLD)
PACED: Kind = ("mt-sics-balance", "pty:sim/weigher", {"pace_baud": 9600}, TOLD)
DOSER: Kind = ("quantos", "pty:sim/weigher", {"heads": {1: "TiO2-a"}, "sampler": True}, {"limits": {"mass": 2000.0}})


@pytest.mark.parametrize("bench", [BALANCE, OVER_TCP, PACED], indirect=True, ids=["pty", "tcp", "paced"])
def test_a_vessel_is_weighed_and_tared(bench: Bench) -> None:
    gross_mg = bench.move("vials/1", "weigher/1")
    assert bench.do("close-door") is None
    assert bench.get("door") == "closed"
    assert bench.do("weigh") is None
    assert bench.get("mass_mg") == pytest.approx(gross_mg, abs=1.0)
    assert bench.do("tare") is None
    assert bench.get("tare_mg") == pytest.approx(gross_mg, abs=1.0)
    assert bench.do("weigh") is None
    assert bench.get("mass_mg") == pytest.approx(0.0, abs=0.5)
    assert bench.do("inspect") is None
    assert bench.get("commands").split()[:3] == ["@", "I0", "I1"]
    assert bench.do("clear-tare") is None
    assert bench.do("open-door") is None
    bench.move("weigher/1", "vials/1")
    assert bench.do("zero") is None
    assert bench.do("stop") is None


@pytest.mark.parametrize("bench", [BALANCE], indirect=True)
def test_a_stream_that_somebody_began_does_not_confuse_the_driver(bench: Bench) -> None:
    gross_mg = bench.move("vials/1", "weigher/1")
    balance: Any = bench.simulation.instruments["weigher"]
    assert bench.do("weigh") is None
    with bench.simulation.plant.lock:
        balance.command("SIR", lambda line: balance._tell(line))
    bench.clock.sleep_until(bench.clock.now() + 10.0)
    assert bench.do("weigh") is None
    assert bench.get("mass_mg") == pytest.approx(gross_mg, abs=1.0)


@pytest.mark.parametrize("bench", [BALANCE], indirect=True)
def test_a_balance_that_was_switched_off_has_lost_its_tare(bench: Bench) -> None:
    bench.move("vials/1", "weigher/1")
    assert bench.do("tare") is None
    balance: Any = bench.simulation.instruments["weigher"]
    with bench.simulation.plant.lock:
        balance.power_cycle()
    error = bench.do("weigh")
    assert isinstance(error, ActionFailedError)
    assert "which nobody asked for: the balance was switched off, or tared at its keys" in str(error)


@pytest.mark.parametrize("bench", [BALANCE], indirect=True)
def test_an_adjusting_balance_is_waited_for(bench: Bench) -> None:
    assert bench.do("weigh") is None
    balance: Any = bench.simulation.instruments["weigher"]
    start_s = bench.clock.now()
    with bench.simulation.plant.lock:
        balance.command("C3", lambda _: None)
    assert bench.do("weigh", within_s=120.0) is None
    assert 60.0 <= bench.clock.now() - start_s <= 65.0


@pytest.mark.parametrize("bench", [HASTY], indirect=True)
def test_a_deaf_balance_leaves_no_number(bench: Bench) -> None:
    bench.clock.sleep_until(bench.clock.now() + 1.0)
    assert bench.get("stable") == 1.0
    bench.simulation.deafen("weigher")
    bench.clock.sleep_until(bench.clock.now() + 61.0)
    assert bench.get("comm_ok") == 0
    assert math.isnan(bench.get("mass_mg"))
    bench.simulation.deafen("weigher", deaf=False)
    bench.clock.sleep_until(bench.clock.now() + 61.0)
    assert bench.get("comm_ok") == 1


@pytest.mark.parametrize("bench", [DOSER], indirect=True)
def test_a_doser_with_an_autosampler_doses_into_the_vial_under_its_head(bench: Bench) -> None:
    plant = bench.simulation.plant
    bench.move("vials/1", "weigher/7")
    with plant.lock:
        plant.change_head("weigher", 1)
    assert bench.do("lock-head") is None
    assert bench.do("move-sampler", position=7) is None
    assert bench.get("sampler") == "7"
    assert bench.do("close-door") is None
    assert bench.do("dose", mass_mg=300.0, tolerance_mg=3.0, sample_id="S1", lot="TiO2-a") is None
    assert bench.get("dosed_mg") == pytest.approx(300.0, abs=3.0)
    vial = plant.places["weigher"].holds[7]
    assert vial.powder.mass_mg == pytest.approx(bench.get("net_mg"), abs=0.3)
    assert bench.get("validity") == "valid"
    assert bench.do("declare-pan-empty") is None
    assert bench.get("pan") == "empty"
    assert bench.do("weigh") is None


@pytest.mark.parametrize("bench", [DOSER], indirect=True)
def test_a_doser_that_loses_power_while_it_doses_is_told_and_the_mass_is_unknown(bench: Bench) -> None:
    plant = bench.simulation.plant
    bench.move("vials/1", "weigher/1")
    with plant.lock:
        plant.change_head("weigher", 1)
    for verb in ("lock-head", "close-door"):
        assert bench.do(verb) is None
    assert bench.do("move-sampler", position=1) is None
    status = bench.device.set("dose", mass_mg=300.0, tolerance_mg=3.0, sample_id="S1")
    bench.clock.sleep_until(bench.clock.now() + 20.0)
    doser: Any = bench.simulation.instruments["weigher"]
    with plant.lock:
        doser.power_cycle()
    while not status.done:
        bench.clock.sleep_until(bench.clock.now() + 1.0)
    error = str(status.exception())
    assert "was switched off and on during QRA 61 1, and the mass is unknown" in error
    assert [what for _, what in plant.log].count("weigher dosing 300.00 mg from head 1") == 1


# ---------------------------------------------------------------- a client that is not ours


def ask_pylabrobot(address: str, ask: Callable[[Any], Awaitable[None]]) -> None:
    """Have PyLabRobot's own back end for a Mettler Toledo scale talk to a serial port, unmodified."""
    from pylabrobot.scales import mettler_toledo_backend as module  # type: ignore[import-untyped]

    async def talk() -> None:
        scale = module.MettlerToledoWXS205SDUBackend(port=address)
        await scale.setup()
        try:
            await ask(scale)
        finally:
            await scale.stop()

    asyncio.run(talk())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Simulation]:
    clock = ScaledClock(20.0)
    plan = Laboratory("lab", (Instrument("balance-1", "mt-sics-balance", "pty:sim/balance-1"),), {}, seed=5)
    with serve(plan, clock, tmp_path / "wires") as simulation:
        yield simulation


def test_pylabrobot_weighs_tares_and_zeroes_on_the_simulated_balance(served: Simulation) -> None:
    plant = served.plant
    seen: dict[str, Any] = {}

    async def ask(scale: Any) -> None:
        seen["serial"] = scale.serial_number
        seen["zero"] = await scale.zero()
        seen["zero at once"] = await scale.zero(timeout=0)
        seen["zero after"] = await scale.zero(timeout=1.5)
        with plant.lock:
            plant.move("vials/1", "balance-1/1")
        seen["gross"] = await scale.read_weight()
        seen["tare"] = await scale.tare()
        seen["tare memory"] = await scale.request_tare_weight()
        seen["net"] = await scale.read_weight(timeout=1.0)
        seen["now"] = await scale.read_weight(timeout=0)
        seen["tare at once"] = await scale.tare(timeout=0)
        seen["tare after"] = await scale.tare(timeout=1.0)
        seen["clear"] = await scale.clear_tare()
        seen["text"] = await scale.set_display_text("HELLO")
        seen["display"] = await scale.set_weight_display()

    ask_pylabrobot(served.endpoints["balance-1"], ask)
    gross_g = plant.places["balance-1"].holds[1].gross_mg / 1000.0
    assert seen["serial"] == "SIM-balance-1"
    assert (seen["zero"], seen["zero at once"], seen["zero after"]) == (["Z", "A"], ["ZI", "S"], ["ZC", "S"])
    assert seen["gross"] == pytest.approx(gross_g, abs=0.001)
    assert seen["tare"][:2] == ["T", "S"]
    assert seen["tare memory"] == pytest.approx(gross_g, abs=0.001)
    assert (seen["net"], seen["now"]) == (pytest.approx(0.0, abs=0.001), pytest.approx(0.0, abs=0.001))
    assert seen["tare at once"][0] == "TI"
    assert seen["tare after"][0] == "TC"
    assert (seen["clear"], seen["text"], seen["display"]) == (["TAC", "A"], ["D", "A"], ["DW", "A"])


def test_pylabrobot_understands_the_refusals_of_the_simulated_balance(served: Simulation) -> None:
    from pylabrobot.scales import mettler_toledo_backend as errors

    balance: Any = served.instruments["balance-1"]
    said: dict[str, str] = {}

    async def ask(scale: Any) -> None:
        async def note(what: str, command: str) -> None:
            try:
                await scale.send_command(command)
            except errors.MettlerToledoError as error:
                said[what] = str(error)

        await note("unknown", "XYZ")
        await note("parameter", "M21 0 99")
        with served.plant.lock:
            served.plant.move("vials/1", "balance-1/1")
        await note("too heavy", "ZI")
        balance.sics.error = "15b"
        await note("broken", "SI")
        balance.sics.error = None
        with served.plant.lock:
            balance.command("C3", lambda _: None)
        await note("busy", "SI")

    ask_pylabrobot(served.endpoints["balance-1"], ask)
    assert said["unknown"].startswith("Syntax error")
    assert "incorrect parameter" in said["parameter"]
    assert "overload" in said["too heavy"]
    assert said["broken"] == "Adjustment needed: from electronics"
    assert "currently not executable" in said["busy"]
