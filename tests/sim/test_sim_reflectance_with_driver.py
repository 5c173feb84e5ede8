"""The production driver measures reflectance on the simulated wire; what goes wrong there is told and not repeated."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bluesky.plan_stubs as bps
import event_model
import pytest
from bluesky import RunEngine

from drivers.bus import Bus
from drivers.clock import Clock, JumpClock, ScaledClock
from drivers.devices.reflectance_spectrometer import ReflectanceSpectrometer
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CommandDeniedError,
    LimitError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.gate import Command, Denied, Granted
from drivers.registry import build
from drivers.transcript import NoTranscript
from sim import Instrument, Laboratory, Lot, Simulation, serve
from sim.chemistry import Lot as Substance
from sim.chemistry import Powder, dispense
from sim.wire.lines import Reply

pytestmark = pytest.mark.system

HOW = {"integration_ms": 20.0, "averages": 20}
MEASURE = {"sample_id": "S1", "from_nm": 400.0, "to_nm": 800.0, **HOW}


class Gate:
    """Grants everything, unless it is told otherwise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.denies = False

    def request(self, command: Command, lease: str | None, actor: str) -> Granted | Denied:
        return Denied(command, ("not now",)) if self.denies else Granted(command, self._clock.now())


class Bench:
    """The driver, and an instrument whose lines can be listened to and lost."""

    def __init__(self, simulation: Simulation, device: ReflectanceSpectrometer, clock: Clock, gate: Gate) -> None:
        self.simulation, self.device, self.clock, self.gate = simulation, device, clock, gate
        self.lines: list[str] = []
        self.lost: list[str] = []
        """Commands that never arrive, each once."""
        self.spoil: Callable[[str, str], str | None] = lambda _, reply: reply
        """What becomes of a reply, by the line that it answers; None: it is lost."""
        instrument: Any = simulation.instruments["spec-1"]
        self.instrument = instrument
        self._obey: Callable[[str, Reply], None] = self.instrument.command
        self.instrument.command = self.command

    def command(self, line: str, reply: Reply) -> None:
        self.lines.append(line)
        if line in self.lost:
            self.lost.remove(line)
            return

        def say(text: str) -> None:
            changed = self.spoil(line, text)
            if changed is not None:
                reply(changed)

        self._obey(line, say)

    def begin(self, verb: str, **arguments: object) -> Any:
        return self.device.set(verb, **arguments)

    def end(self, status: Any) -> BaseException | None:
        while not status.done:
            self.clock.sleep_until(self.clock.now() + 1.0)
        error: BaseException | None = status.exception()
        return error

    def do(self, verb: str, **arguments: object) -> BaseException | None:
        """Do one thing, wait in lab time until it is done, and give how it failed."""
        return self.end(self.begin(verb, **arguments))

    def get_ready(self) -> None:
        for verb, arguments in (("lamp-on", {}), ("reference-dark", HOW), ("reference-white", HOW)):
            assert self.do(verb, **arguments) is None

    def get(self, signal: str) -> Any:
        return getattr(self.device, signal).get()

    def told(self) -> list[str]:
        return [line for line in self.lines if "?" not in line]


@contextmanager
def put_up(clock: Clock, folder: Path) -> Iterator[Bench]:
    instruments = (Instrument("spec-1", "reflectance-spectrometer", "socket://sim:7303", {"warm_s": 60.0}),)
    plan = Laboratory("lab", instruments, {"TiO2-a": Lot("TiO2-a", "TiO2")}, seed=5)
    with serve(plan, clock, folder / "wires") as simulation:
        bus, gate = Bus("bus", clock), Gate(clock)
        options = {"timeout": 0.2, "quiet": 0.05}
        endpoint = simulation.endpoints["spec-1"]
        device = build("spec-1", "reflectance-spectrometer", endpoint, options, gate, clock, NoTranscript(), bus)
        assert isinstance(device, ReflectanceSpectrometer)
        yield Bench(simulation, device, clock, gate)
        bus.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with put_up(JumpClock(), tmp_path) as bench:
        yield bench


def put_powder(bench: Bench, formula: str) -> None:
    plant = bench.simulation.plant
    with plant.lock:
        plant.move("holders/1", "spec-1/1")
        holder = plant.standing_at("spec-1/1")
        assert holder is not None
        holder.powder = dispense(Powder.empty(), Substance(formula), 400.0, plant.truth)


def test_a_powder_is_measured(bench: Bench) -> None:
    put_powder(bench, "TiO2-rutile")
    bench.get_ready()
    assert bench.do("measure", **MEASURE) is None
    nm, reflectance = bench.get("wavelengths_nm"), bench.get("reflectance")
    assert (nm[0], nm[-1], len(nm), len(reflectance)) == (400.0, 800.0, 401, 401)
    assert reflectance[0] < 0.7 < 0.9 < reflectance[-1]
    assert (bench.get("sample_id"), bench.get("acquisition")) == ("S1", 3.0)
    assert (bench.get("dark_ms"), bench.get("white_ms"), bench.get("lamp")) == (20.0, 20.0, "on")
    assert [line for line in bench.told() if line in ("REF:DARK", "REF:WHITE", "INIT")] == [
        "REF:DARK",
        "REF:WHITE",
        "INIT",
    ]
    assert bench.do("lamp-off") is None
    bench.clock.sleep_until(bench.clock.now() + 61.0)
    assert (bench.get("lamp"), bench.get("state")) == ("off", "done")
    assert math.isnan(bench.get("white_ms"))


def test_bluesky_takes_spectra_of_any_length(tmp_path: Path) -> None:
    """Two spectra of different lengths in one run, as documents that event-model validates and JSON carries."""
    documents: list[tuple[str, Any]] = []

    def plan(device: ReflectanceSpectrometer) -> Any:
        yield from bps.open_run()
        for to_nm in (500.0, 450.0):
            yield from bps.abs_set(device, "measure", wait=True, **{**MEASURE, "to_nm": to_nm})
            yield from bps.create("spectrum")
            yield from bps.read(device)
            yield from bps.save()
        yield from bps.close_run()

    with put_up(ScaledClock(100.0), tmp_path) as bench:
        put_powder(bench, "TiO2-anatase")
        bench.get_ready()
        engine = RunEngine(context_managers=[])
        engine(plan(bench.device), lambda name, document: documents.append((name, document)))
        engine.loop.call_soon_threadsafe(engine.loop.stop)
        engine._th.join()
        engine.loop.close()
    for name, document in documents:
        event_model.schema_validators[event_model.DocumentNames[name]].validate(document)
        json.dumps(document)
    keys = next(document for name, document in documents if name == "descriptor")["data_keys"]
    entry = keys["spec-1_reflectance"]
    assert (entry["dtype"], entry["shape"], entry["dtype_numpy"]) == ("array", [None], "<f8")
    assert entry["dims"] == ["wavelength"]
    assert (keys["spec-1_wavelengths_nm"]["units"], keys["spec-1_wavelengths_nm"]["upper_ctrl_limit"]) == ("nm", 1100.0)
    lengths = [len(document["data"]["spec-1_reflectance"]) for name, document in documents if name == "event"]
    assert lengths == [101, 51]


def test_it_says_who_it_is(bench: Bench) -> None:
    assert bench.device.identify() == "reflectance spectrometer DR-1 SN-spec-1"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"from_nm": 300.0}, "spec-1: 300 to 800 nm requested, it has 350 to 1100 nm"),
        ({"integration_ms": 6000.0}, "spec-1: 6000 ms requested, it integrates for 1 to 5000 ms"),
        ({"averages": 0}, "spec-1: 0 averages requested"),
        ({"sample_id": "two words"}, "spec-1: sample id 'two words'"),
    ],
)
def test_what_it_cannot_do_is_told_at_once(bench: Bench, changed: dict[str, object], said: str) -> None:
    bench.device.identify()
    with pytest.raises(LimitError, match=said):
        bench.device.set("measure", **{**MEASURE, **changed})
    assert bench.told() == []


def test_denied_verbs_send_nothing(bench: Bench) -> None:
    bench.gate.denies = True
    for verb, arguments in (("lamp-on", {}), ("measure", MEASURE), ("stop", {})):
        with pytest.raises(CommandDeniedError):
            bench.device.set(verb, **arguments)
    assert bench.told() == []


@pytest.mark.parametrize(
    ("verb", "before", "said"),
    [
        ("reference-white", ("reference-dark",), "the lamp is off: lamp-on first, and wait for it"),
        ("reference-white", ("lamp-on",), "there is no dark reference of 20 ms: take reference-dark first"),
        ("measure", ("lamp-on",), "there is no dark and no white reference of 20 ms: take reference-dark and"),
        ("measure", ("lamp-on", "reference-dark"), "there is no white reference of 20 ms: take reference-white first"),
    ],
)
def test_what_is_missing_is_told_and_nothing_is_acquired(
    bench: Bench, verb: str, before: tuple[str, ...], said: str
) -> None:
    for first in before:
        assert bench.do(first, **({} if first == "lamp-on" else HOW)) is None
    count = len([line for line in bench.told() if line in ("INIT", "REF:WHITE")])
    error = bench.do(verb, **(MEASURE if verb == "measure" else HOW))
    assert isinstance(error, RefusedError)
    assert said in str(error)
    assert len([line for line in bench.told() if line in ("INIT", "REF:WHITE")]) == count


# ---------------------------------------------------------------- a bad wire


def test_a_setting_that_was_lost_is_sent_again(bench: Bench) -> None:
    bench.get_ready()
    bench.lost = ["CONF:SAMP S1", "CONF:RANG 400,800"]
    assert bench.do("measure", **MEASURE) is None
    assert bench.told().count("CONF:RANG 400,800") == 2


def test_a_setting_that_is_not_taken_is_told(bench: Bench) -> None:
    bench.get_ready()
    bench.lost = ["CONF:RANG 400,800"] * 3
    error = bench.do("measure", **MEASURE)
    assert "spec-1: CONF:RANG 400,800 was not taken, it is 350,1100 (it tells no error)" in str(error)
    assert "INIT" not in bench.told()


def test_an_acquisition_that_never_began_is_told_and_not_repeated(bench: Bench) -> None:
    bench.get_ready()
    bench.lost = ["INIT"]
    error = bench.do("measure", **MEASURE)
    assert str(error) == "spec-1: INIT was not begun (it tells no error): it may be asked for again"
    assert bench.told().count("INIT") == 1
    assert bench.get("sample_id") == ""
    assert bench.get("reflectance") == ()
    assert bench.do("measure", **MEASURE) is None


def test_an_acquisition_that_nobody_can_tell_of_is_unknown(bench: Bench) -> None:
    bench.get_ready()

    def fall_silent(line: str, reply: str) -> str | None:
        return None if "INIT" in bench.lines else reply

    bench.spoil = fall_silent
    error = bench.do("measure", **MEASURE)
    assert "spec-1: whether INIT was begun is unknown" in str(error)
    assert bench.told().count("INIT") == 1


def test_a_spectrum_that_was_changed_on_its_way_is_fetched_again(bench: Bench) -> None:
    bench.get_ready()
    spoiled: list[Callable[[str], str | None]] = [
        lambda reply: reply.replace("0.", "9.", 1),
        lambda reply: reply[:-40],
        lambda _: None,
    ]

    def spoil(line: str, reply: str) -> str | None:
        return spoiled.pop()(reply) if line == "FETC?" and spoiled else reply

    bench.spoil = spoil
    assert bench.do("measure", **MEASURE) is None
    assert bench.lines.count("FETC?") == 4
    assert bench.told().count("INIT") == 1
    assert len(bench.get("reflectance")) == 401


def test_a_spectrum_of_somebody_else_is_not_taken(bench: Bench) -> None:
    bench.get_ready()
    status = bench.begin("measure", **MEASURE)
    bench.clock.sleep_until(bench.clock.now() + 0.2)
    bench.instrument._memory.settings.sample = "S2"
    assert "gave spectrum 3 of 'S2' where 3 of 'S1' was measured" in str(bench.end(status))
    status = bench.begin("measure", **MEASURE)
    bench.clock.sleep_until(bench.clock.now() + 0.2)
    bench.instrument._obey("ABOR", "")
    bench.instrument._obey("INIT", "")
    assert "spec-1: counts 5 acquisitions where INIT was number 4" in str(bench.end(status))
    assert bench.get("sample_id") == ""


def test_wrong_counts_are_not_believed(bench: Bench) -> None:
    bench.get_ready()
    wrong = ["17"]
    bench.spoil = lambda line, reply: wrong.pop() if line == "COUN?" and wrong else reply
    assert bench.do("measure", **MEASURE) is None


# ---------------------------------------------------------------- what happens to the instrument


def test_a_stop_aborts_what_is_acquired(bench: Bench) -> None:
    bench.get_ready()
    status = bench.begin("measure", **{**MEASURE, "averages": 1000})
    bench.clock.sleep_until(bench.clock.now() + 5.0)
    assert bench.do("stop") is None
    error = bench.end(status)
    assert "spec-1: INIT was aborted (it tells no error)" in str(error)
    assert bench.clock.now() < 1_767_225_600.0 + 200.0


@pytest.mark.parametrize("lost", [1, 2])
def test_an_abort_that_never_arrives_is_told_again(bench: Bench, lost: int) -> None:
    bench.get_ready()
    status = bench.begin("measure", **{**MEASURE, "averages": 1000})
    bench.clock.sleep_until(bench.clock.now() + 5.0)
    bench.lost += ["ABOR"] * lost
    assert bench.do("stop") is None
    assert bench.get("state") == "idle"
    assert "INIT was aborted" in str(bench.end(status))


def test_a_spectrometer_that_hears_no_abort_is_told_to_whoever_stops_it(bench: Bench) -> None:
    bench.get_ready()
    status = bench.begin("measure", **{**MEASURE, "averages": 1000})
    bench.clock.sleep_until(bench.clock.now() + 1.0)
    bench.lost += ["ABOR"] * 3
    said = str(bench.do("stop"))
    assert said == (
        "spec-1: was told 3 times to abort and goes on acquiring (it tells no error): stop it at the instrument"
    )
    assert bench.get("state") == "busy"
    assert bench.end(status) is None


def test_a_failed_plan_stops_what_is_asked_for(bench: Bench) -> None:
    bench.device.stop()
    bench.device.stop(success=True)
    assert bench.told() == []
    status = bench.begin("lamp-on")
    bench.clock.sleep_until(bench.clock.now() + 5.0)
    bench.device.stop()
    assert "lamp-on was given up, because it was stopped" in str(bench.end(status))


def test_one_thing_at_a_time(bench: Bench) -> None:
    status = bench.begin("lamp-on")
    bench.clock.sleep_until(bench.clock.now() + 1.0)
    assert isinstance(bench.do("reference-dark", **HOW), BusyError)
    assert bench.end(status) is None


def test_a_saturated_detector_is_told(bench: Bench) -> None:
    long = {"integration_ms": 200.0, "averages": 2}
    assert bench.do("lamp-on") is None
    assert bench.do("reference-dark", **long) is None
    error = bench.do("reference-white", **long)
    assert str(error) == "spec-1: REF:WHITE failed (Detector saturated (101))"


def test_a_lamp_that_does_not_burn_is_told(bench: Bench) -> None:
    bench.simulation.plant.places["spec-1"].lamp_broken = True  # type: ignore[attr-defined]
    error = bench.do("lamp-on")
    assert "spec-1: the lamp is off 1800 s after LAMP ON (it tells no error): look at the lamp" in str(error)


def test_an_instrument_that_was_switched_off_is_told(bench: Bench) -> None:
    bench.get_ready()
    status = bench.begin("measure", **{**MEASURE, "averages": 1000})
    bench.clock.sleep_until(bench.clock.now() + 5.0)
    with bench.simulation.plant.lock:
        bench.instrument.power_cycle()
    error = bench.end(status)
    assert isinstance(error, ActionFailedError)
    assert "counts 0 acquisitions where INIT was number 3: it was switched off and on" in str(error)
    bench.clock.sleep_until(bench.clock.now() + 61.0)
    assert (bench.get("lamp"), math.isnan(bench.get("dark_ms"))) == ("off", True)


def test_a_power_cut_between_looks_is_noticed_at_the_next(bench: Bench) -> None:
    bench.get_ready()
    with bench.simulation.plant.lock:
        bench.instrument.power_cycle()
    bench.clock.sleep_until(bench.clock.now() + 61.0)
    assert bench.get("changed") == (
        "it was switched off and on: it had begun 2 acquisitions, and has 0: take references again"
    )


def test_somebody_else_is_noticed(bench: Bench) -> None:
    bench.get_ready()
    with bench.simulation.plant.lock:
        bench.instrument._obey("INIT", "")
    bench.clock.sleep_until(bench.clock.now() + 61.0)
    assert "it was used by somebody else" in bench.get("changed")
    assert bench.do("reference-dark", **HOW) is None
    assert bench.get("changed") == ""


def test_another_instrument_behind_the_address_is_told(bench: Bench) -> None:
    bench.device.identify()
    bench.instrument._serial = "SN-other"
    with pytest.raises(
        WrongInstrumentError, match=r"spec-1: spectrometer SN-other answers at .*, and SN-spec-1 is meant"
    ):
        bench.device.identify()
    bench.spoil = lambda line, reply: "KEITHLEY,2400,1,1" if line == "*IDN?" else reply
    with pytest.raises(WrongInstrumentError, match=r"spec-1: socket://127\.0\.0\.1:\d+ is no reflectance spectrometer"):
        bench.device.identify()


def test_silence_leaves_nothing_known(bench: Bench) -> None:
    bench.get_ready()
    bench.simulation.deafen("spec-1")
    bench.clock.sleep_until(bench.clock.now() + 61.0)
    assert bench.get("comm_ok") == 0
    assert (bench.get("state"), bench.get("lamp"), math.isnan(bench.get("dark_ms"))) == ("unknown", "unknown", True)
