"""The simulated reflectance spectrometer: its optics, its lamp, and its lines."""

import binascii
import re
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.chemistry import Lot, Powder, Truth, dispense
from sim.instruments.reflectance_spectrometer import ReflectanceSpectrometer
from sim.plant import Impossible, Plant, Spectrometer
from sim.plant.optics import DEFAULT_EDGE, EDGES, absorption, edge_of, kubelka_munk, reflectance

Wait = Callable[[float], None]
NM = np.arange(350.0, 1100.5, 1.0)


class Terminal:
    """Talks to the instrument at once."""

    def __init__(self, plant: Plant) -> None:
        self.optics = Spectrometer("spec-1", plant.seed, 100.0)
        plant.add(self.optics)
        self.device = ReflectanceSpectrometer(plant, self.optics, "SN-spec-1")
        self.heard: list[str] = []

    def ask(self, line: str) -> list[str]:
        """Give what is answered at once."""
        self.heard.clear()
        self.device.command(line, self.heard.append)
        return list(self.heard)

    def tell(self, *lines: str) -> None:
        """Command, and have nothing answered."""
        for line in lines:
            assert self.ask(line) == [], line

    def errors(self) -> list[str]:
        found = []
        while (entry := self.ask("SYST:ERR?")[0]) != '0,"No error"':
            found.append(entry)
        return found


@pytest.fixture
def terminal(plant: Plant) -> Terminal:
    return Terminal(plant)


@pytest.fixture
def warm(terminal: Terminal, wait: Wait) -> Terminal:
    """The lamp warm, both references taken at 20 ms."""
    terminal.tell("LAMP ON", "CONF:INT 20", "CONF:AVER 50")
    wait(600.0)
    for line in ("REF:DARK", "REF:WHITE"):
        terminal.tell(line)
        wait(5.0)
        assert terminal.ask("STAT?") == ["DONE"]
    return terminal


def powder(truth: Truth, mass_mg: float, *formulas: str) -> Powder:
    found = Powder.empty()
    for formula in formulas:
        found = dispense(found, Lot(formula), mass_mg / len(formulas), truth)
    return found


def put(plant: Plant, content: Powder) -> None:
    plant.move("holders/1", "spec-1/1")
    holder = plant.standing_at("spec-1/1")
    assert holder is not None
    holder.powder = content


def spectrum(line: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read a block by hand, its length and checksum as well."""
    digits = int(line[1])
    length, body = int(line[2 : 2 + digits]), line[2 + digits :]
    assert length == len(body)
    text, crc = body.rsplit("*", 1)
    assert binascii.crc32(text.encode()) == int(crc, 16)
    pairs = [pair.split(",") for pair in text.split(";")[1:]]
    return np.array([float(a) for a, _ in pairs]), np.array([float(b) for _, b in pairs])


# ---------------------------------------------------------------- optics


def test_a_white_powder_is_white_and_a_deep_edge_is_dark(truth: Truth) -> None:
    white = reflectance(powder(truth, 500.0, "BaCO3"), NM)
    assert white.min() > 0.85
    titania = reflectance(powder(truth, 500.0, "TiO2-rutile"), NM)
    assert titania[0] < 0.3
    assert titania[-1] > 0.9
    assert np.all(np.diff(titania) > -1e-9)


def test_edges_are_where_the_table_says(truth: Truth) -> None:
    rutile, anatase = (reflectance(powder(truth, 500.0, f"TiO2-{form}"), NM) for form in ("rutile", "anatase"))
    # Half way up, rutile is the redder of the two.
    assert NM[np.argmax(rutile > 0.5)] > NM[np.argmax(anatase > 0.5)] + 15.0


def test_a_mixture_lies_between_its_phases(truth: Truth) -> None:
    a, b = reflectance(powder(truth, 500.0, "BaCO3"), NM), reflectance(powder(truth, 500.0, "TiO2-rutile"), NM)
    both = reflectance(powder(truth, 500.0, "BaCO3", "TiO2-rutile"), NM)
    assert np.all(both <= a + 1e-9)
    assert np.all(both >= b - 1e-9)


def test_little_powder_lets_the_holder_be_seen(truth: Truth) -> None:
    thin, thick = (reflectance(powder(truth, mass, "BaCO3"), NM).mean() for mass in (5.0, 500.0))
    assert thin < 0.3 < thick
    assert reflectance(Powder.empty(), NM).max() < 0.1


@pytest.mark.parametrize("name", sorted(EDGES))
def test_absorption_rises_smoothly_over_its_edge(name: str) -> None:
    edge = EDGES[name]
    energy = np.linspace(max(0.3, edge.ev - 1.0), edge.ev + 1.0, 4001)
    found = absorption(edge, energy)
    assert np.all(np.diff(found) > 0)
    assert np.max(np.abs(np.diff(found, 2))) < 0.02 * found.max()
    assert 0.2 * edge.strength < found[-1] < 3.0 * edge.strength


def test_a_phase_that_nobody_knows_is_white() -> None:
    assert edge_of("MgAl2O4-spinel") is DEFAULT_EDGE
    assert absorption(DEFAULT_EDGE, np.array([1.5, 3.0])).max() < 1e-6
    assert kubelka_munk(np.array([0.0]))[0] == 1.0


# ---------------------------------------------------------------- lines


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("*IDN?", "ATHANOR,DR-1,SN-spec-1,1"),
        ("SYST:LIM?", "350,1100,1,5000,1000"),
        ("SYST:ERR?", '0,"No error"'),
        ("STAT?", "IDLE"),
        ("COUN?", "0"),
        ("LAMP?", "OFF"),
        ("REF?", "-,-"),
        ("CONF:RANG?", "350,1100"),
        ("CONF:INT?", "20"),
        ("CONF:AVER?", "1"),
        ("CONF:SAMP?", "-"),
    ],
)
def test_it_answers_questions(terminal: Terminal, line: str, answer: str) -> None:
    assert terminal.ask(line) == [answer]


@pytest.mark.parametrize(
    ("line", "question", "answer"),
    [
        ("CONF:RANG 400,700", "CONF:RANG?", "400,700"),
        ("CONF:INT 12.5", "CONF:INT?", "12.5"),
        ("CONF:AVER 16", "CONF:AVER?", "16"),
        ("CONF:SAMP BaTiO3_1", "CONF:SAMP?", "BaTiO3_1"),
    ],
)
def test_what_is_set_can_be_read_back(terminal: Terminal, line: str, question: str, answer: str) -> None:
    terminal.tell(line)
    assert terminal.ask(question) == [answer]
    assert terminal.errors() == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("CONF:RANG 300,700", '-222,"Data out of range"'),
        ("CONF:RANG 700,400", '-222,"Data out of range"'),
        ("CONF:RANG 400.2,400.8", '-222,"Data out of range"'),
        ("CONF:RANG 400", '-222,"Data out of range"'),
        ("CONF:INT 0", '-222,"Data out of range"'),
        ("CONF:INT long", '-222,"Data out of range"'),
        ("CONF:AVER 1.5", '-222,"Data out of range"'),
        ("CONF:AVER nan", '-222,"Data out of range"'),
        ("CONF:SAMP two words", '-222,"Data out of range"'),
        ("LAMP MAYBE", '-113,"Undefined header"'),
        ("INIT NOW", '-113,"Undefined header"'),
        ("NONSENSE", '-113,"Undefined header"'),
        ("NONSENSE?", '-113,"Undefined header"'),
        ("FETC?", '-230,"Data corrupt or stale"'),
        ("INIT", '-221,"Settings conflict"'),
        ("REF:WHITE", '-221,"Settings conflict"'),
    ],
)
def test_what_is_wrong_is_not_answered_and_queued(terminal: Terminal, line: str, error: str) -> None:
    terminal.tell(line)
    assert terminal.errors() == [error]


def test_the_queue_of_errors_is_short(terminal: Terminal) -> None:
    for _ in range(12):
        terminal.tell("NONSENSE")
    assert terminal.errors() == ['-113,"Undefined header"'] * 9 + ['-350,"Queue overflow"']
    terminal.tell("NONSENSE", "*CLS", "")
    assert terminal.errors() == []


def test_a_lamp_takes_its_time(terminal: Terminal, wait: Wait) -> None:
    terminal.tell("LAMP ON")
    assert terminal.ask("LAMP?") == ["WARMING"]
    wait(101.0)
    assert terminal.ask("LAMP?") == ["ON"]
    terminal.optics.lamp_broken = True
    assert terminal.ask("LAMP?") == ["OFF"]


# ---------------------------------------------------------------- spectra


def test_a_powder_is_measured(warm: Terminal, plant: Plant, truth: Truth, wait: Wait) -> None:
    content = powder(truth, 400.0, "TiO2-anatase")
    put(plant, content)
    warm.tell("CONF:SAMP S1", "CONF:RANG 360,900", "INIT")
    assert warm.ask("STAT?") == ["BUSY"]
    assert warm.ask("COUN?") == ["3"]
    with pytest.raises(Impossible, match="spec-1 measures"):
        plant.move("spec-1/1", "holders/1")
    wait(2.0)
    assert warm.ask("STAT?") == ["DONE"]
    line = warm.ask("FETC?")[0]
    assert re.match(r"#\d+S1,3,541;360\.00,", line)
    nm, found = spectrum(line)
    assert np.max(np.abs(found - reflectance(content, nm))) < 0.03
    assert warm.ask("FETC?") == [line]
    assert warm.errors() == []


def test_averages_make_it_quieter(warm: Terminal, wait: Wait) -> None:
    noise = []
    for averages in (1, 400):
        warm.tell(f"CONF:AVER {averages}", "INIT")
        wait(20.0)
        noise.append(float(np.std(np.diff(spectrum(warm.ask("FETC?")[0])[1]))))
    assert noise[0] > 5.0 * noise[1]


def test_what_a_reference_is_for_must_be_what_is_set(warm: Terminal) -> None:
    assert warm.ask("REF?") == ["20,20"]
    warm.tell("CONF:INT 10", "INIT")
    assert warm.errors() == ['-221,"Settings conflict"']
    assert warm.ask("COUN?") == ["2"]


def test_a_new_dark_reference_needs_a_new_white_one(warm: Terminal, wait: Wait) -> None:
    warm.tell("REF:DARK")
    wait(5.0)
    assert warm.ask("REF?") == ["20,-"]


def test_without_the_lamp_references_are_lost(warm: Terminal) -> None:
    warm.tell("LAMP OFF")
    assert warm.ask("REF?") == ["-,-"]


def test_while_it_is_busy_nothing_else_is_done(warm: Terminal, wait: Wait) -> None:
    warm.tell("INIT", "INIT", "CONF:INT 5", "REF:DARK")
    assert warm.errors() == ['-213,"Init ignored"'] * 3
    wait(5.0)
    assert warm.ask("CONF:INT?") == ["20"]
    assert warm.ask("COUN?") == ["3"]


def test_too_much_light_is_told(terminal: Terminal, wait: Wait) -> None:
    terminal.tell("LAMP ON", "CONF:INT 200")
    wait(600.0)
    terminal.tell("REF:DARK")
    wait(5.0)
    terminal.tell("REF:WHITE")
    wait(5.0)
    assert terminal.ask("STAT?") == ["ERR"]
    assert terminal.errors() == ['101,"Detector saturated"']
    assert terminal.ask("REF?") == ["200,-"]


def test_a_lamp_that_dies_gives_no_light(warm: Terminal, wait: Wait) -> None:
    warm.tell("REF:DARK")
    wait(5.0)
    warm.tell("REF:WHITE")
    warm.optics.lamp_broken = True
    wait(5.0)
    assert warm.ask("STAT?") == ["ERR"]
    assert warm.errors() == ['102,"No light"']


def test_an_acquisition_can_be_aborted(warm: Terminal, plant: Plant, wait: Wait) -> None:
    warm.tell("INIT", "ABOR", "ABOR")
    assert warm.ask("STAT?") == ["IDLE"]
    wait(5.0)
    assert warm.ask("STAT?") == ["IDLE"]
    warm.tell("FETC?")
    assert warm.errors() == ['-230,"Data corrupt or stale"']
    plant.move("holders/1", "spec-1/1")


def test_switched_off_and_on_it_remembers_nothing(warm: Terminal, wait: Wait) -> None:
    warm.tell("INIT")
    warm.device.power_cycle()
    wait(5.0)
    answers = [warm.ask(line)[0] for line in ("STAT?", "COUN?", "LAMP?", "REF?", "CONF:AVER?")]
    assert answers == ["IDLE", "0", "OFF", "-,-", "1"]


def test_the_lamp_drifts_and_a_spectrum_does_not_depend_on_who_looks(plant: Plant, wait: Wait) -> None:
    lamp = Spectrometer("spec-2", 11, 100.0)
    lamp.light(True, 0.0)
    levels = [lamp.level(t_s) for t_s in np.linspace(3600.0, 36_000.0, 200)]
    assert 0.002 < max(levels) - min(levels) < 0.03
    assert lamp.level(5000.0) == lamp.level(5000.0)
    assert lamp.level(10.0) < 0.9 * lamp.level(3600.0)
