"""The simulated balance, line by line, in lab time."""

import re
import statistics
from collections.abc import Callable

import pytest

from drivers.clock import JumpClock
from sim.instruments.mt_sics_balance import MtSicsBalance
from sim.parts.scales import Plate
from sim.plant import Balance, DoorState, Impossible, Plant

Wait = Callable[[float], None]


class Terminal:
    """Keeps what the balance says."""

    def __init__(self, plant: Plant, plate: Plate | None = None, has_doors: bool = True) -> None:
        self.pan = Balance("balance-1", plant.seed, has_doors=has_doors)
        plant.add(self.pan)
        self.device = MtSicsBalance(plant, self.pan, plate or Plate(serial="SIM-balance-1"))
        self.heard: list[str] = []

    def ask(self, line: str) -> list[str]:
        """Give what is answered at once."""
        self.heard.clear()
        self.device.command(line, self.heard.append)
        return list(self.heard)


@pytest.fixture
def terminal(plant: Plant) -> Terminal:
    return Terminal(plant)


def mass_mg(line: str) -> float:
    return float(line.split()[-2]) * 1000.0


def load(plant: Plant, terminal: Terminal, wait: Wait, settle_s: float = 20.0) -> float:
    plant.move("vials/1", "balance-1/1")
    wait(settle_s)
    vessel = plant.standing_at("balance-1/1")
    assert vessel is not None
    return vessel.gross_mg


# ---------------------------------------------------------------- what it says of itself


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("@", 'I4 A "SIM-balance-1"'),
        ("I2", 'I2 A "XS204 Excellence 220.0000 g"'),
        ("I4", 'I4 A "SIM-balance-1"'),
        ('D "HELLO"', "D A"),
        ("DW", "DW A"),
        ("M21 0 0", "M21 A"),
        ("M21 0 99", "M21 L"),
        ("TAC", "TAC A"),
        ("TA", "TA A     0.0000 g"),
        ("TA 12.5 g", "TA A    12.5000 g"),
        ("TA 12.5 lb", "TA L"),
        ("TA -1 g", "TA L"),
        ("TA much g", "TA L"),
        ("Z", "Z A"),
        ("ZI", "ZI S"),
        ("ZC 100", "ZC S"),
        ("ZC x", "ZC L"),
        ("WS", "WS A 1"),
        ("WS 12", "WS L"),
        ("WS 8", "WS L"),
        ("s", "ES"),
        ("XYZ", "ES"),
        ("", "ES"),
        ("TI 5", "ES"),
    ],
)
def test_it_answers_as_the_reference_prints_it(terminal: Terminal, line: str, answer: str) -> None:
    assert terminal.ask(line) == [answer]


@pytest.mark.parametrize("line", ["I1", "I3", "I5"])
def test_it_tells_more_of_itself_in_quotes(terminal: Terminal, line: str) -> None:
    assert re.fullmatch(rf'{line} A ".+"', terminal.ask(line)[0])


def test_some_models_answer_a_reset_with_its_own_word(plant: Plant) -> None:
    assert Terminal(plant, Plate(serial="X", cancel_word="@")).ask("@") == ['@ A "X"']


def test_the_list_of_commands_has_many_lines(terminal: Terminal) -> None:
    lines = terminal.ask("I0")
    assert lines[0] == 'I0 B 0 "@"'
    assert all(re.fullmatch(r'I0 B \d "[@A-Z0-9]+"', line) for line in lines[:-1])
    assert lines[-1] == 'I0 A 2 "WS"'


def test_without_doors_nothing_is_known_of_them(plant: Plant) -> None:
    terminal = Terminal(plant, has_doors=False)
    assert terminal.ask("WS") == ["ES"]
    assert terminal.ask("I0")[-1] == 'I0 A 2 "ZC"'
    plant.move("vials/1", "balance-1/1")


# ---------------------------------------------------------------- weights


def test_a_weight_stands_right_in_ten_places(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    gross_mg = load(plant, terminal, wait)
    line = terminal.ask("S")[0]
    assert re.fullmatch(r"S S    1\d\.\d{4} g", line)
    assert mass_mg(line) == pytest.approx(gross_mg, abs=1.0)


def test_the_unit_can_be_milligrams(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    load(plant, terminal, wait)
    terminal.ask("M21 0 3")
    assert re.fullmatch(r"S S    1\d{4}\.\d mg", terminal.ask("SI")[0])


def test_a_load_takes_its_time_to_come_to_rest(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    plant.move("vials/1", "balance-1/1")
    assert terminal.ask("SI")[0].startswith("S D")
    assert terminal.ask("S") == []
    assert terminal.ask("T") == ["T I"]
    wait(20.0)
    assert terminal.heard[0] == "T I"
    assert terminal.ask("SI")[0].startswith("S S")


def test_a_closed_shield_keeps_draughts_off(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    plant.move("vials/1", "balance-1/1")
    wait(4.0)
    assert terminal.ask("SI")[0].startswith("S D")
    terminal.ask("WS 0")
    wait(2.5)
    assert terminal.ask("SI")[0].startswith("S D")
    wait(3.0)
    assert terminal.ask("SI")[0].startswith("S S")


def test_a_weight_that_does_not_come_to_rest_in_time_is_told(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    plant.move("vials/1", "balance-1/1")
    terminal.ask("S")
    for _ in range(50):
        wait(1.0)
        terminal.pan.disturb(plant.now())
    assert terminal.heard == ["S I"]


def test_a_weight_after_a_time_is_dynamic_where_it_must(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    plant.move("vials/1", "balance-1/1")
    assert terminal.ask("SC 1000") == []
    wait(1.5)
    assert terminal.heard[0].startswith("S D")
    assert terminal.ask("SC x") == ["S L"]


def test_a_waiting_command_can_be_cancelled(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    plant.move("vials/1", "balance-1/1")
    terminal.ask("T")
    terminal.ask("@")
    wait(30.0)
    assert terminal.heard == ['I4 A "SIM-balance-1"']
    assert terminal.ask("TA") == ["TA A     0.0000 g"]


def test_the_same_load_differs_a_little_each_time(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    seen = []
    for _ in range(12):
        seen.append(load(plant, terminal, wait) - mass_mg(terminal.ask("S")[0]))
        plant.move("balance-1/1", "vials/1")
    assert 0.01 < statistics.pstdev(seen) < 0.5


def test_looking_does_not_change_what_is_seen(clock: JumpClock, plant: Plant, wait: Wait) -> None:
    load(plant, first := Terminal(plant), wait)
    t_s = clock.now()
    before = first.pan.gross_mg(t_s + 100.0)
    for n in range(50):
        first.pan.gross_mg(t_s + n)
    assert first.pan.gross_mg(t_s + 100.0) == before


def test_minimum_weights_are_marked(plant: Plant, wait: Wait) -> None:
    terminal = Terminal(plant, Plate(min_weigh_mg=20_000.0))
    assert terminal.ask("SI")[0].startswith("S M")
    load(plant, terminal, wait)
    assert terminal.ask("S")[0].startswith("S M")
    terminal.pan.disturb(plant.now())
    assert terminal.ask("SI")[0].startswith("S N")


def test_too_much_and_too_little_are_told(plant: Plant, wait: Wait) -> None:
    terminal = Terminal(plant, Plate(capacity_mg=5000.0))
    load(plant, terminal, wait)
    assert [terminal.ask(line) for line in ("S", "SI", "T", "TI", "Z", "ZI")] == [
        ["S +"],
        ["S +"],
        ["T +"],
        ["TI +"],
        ["Z +"],
        ["ZI +"],
    ]
    terminal.pan.cell.zero_mg = 20_000.0
    plant.move("balance-1/1", "vials/1")
    wait(20.0)
    assert [terminal.ask(line) for line in ("S", "T")] == [["S -"], ["T -"]]


def test_a_weighing_error_is_told(terminal: Terminal) -> None:
    terminal.device.sics.error = "15b"
    assert terminal.ask("S") == ["S S Error 15b"]
    assert terminal.ask("SI") == ["S S Error 15b"]


# ---------------------------------------------------------------- tare and zero


def test_a_tare_is_taken_off(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    gross_mg = load(plant, terminal, wait)
    tare = terminal.ask("T")[0]
    assert re.fullmatch(r"T S    1\d\.\d{4} g", tare)
    assert mass_mg(tare) == pytest.approx(gross_mg, abs=1.0)
    assert mass_mg(terminal.ask("TA")[0]) == pytest.approx(gross_mg, abs=1.0)
    assert abs(mass_mg(terminal.ask("S")[0])) < 1.0
    terminal.ask("TAC")
    assert mass_mg(terminal.ask("S")[0]) == pytest.approx(gross_mg, abs=1.0)


def test_a_tare_at_once_is_marked_where_it_moves(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    plant.move("vials/1", "balance-1/1")
    assert re.fullmatch(r"TI D +1\d\.\d{4} g", terminal.ask("TI")[0])
    wait(20.0)
    assert re.fullmatch(r"TI S +1\d\.\d{4} g", terminal.ask("TI")[0])
    assert re.fullmatch(r"TC S +1\d\.\d{4} g", terminal.ask("TC 500")[0])


def test_a_tare_waits_for_rest(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    plant.move("vials/1", "balance-1/1")
    assert terminal.ask("T") == []
    wait(20.0)
    assert terminal.heard[0].startswith("T S")


def test_a_zero_forgets_the_tare(terminal: Terminal) -> None:
    terminal.ask("TA 1 g")
    assert terminal.ask("Z") == ["Z A"]
    assert terminal.ask("TA") == ["TA A     0.0000 g"]


# ---------------------------------------------------------------- streams


def test_a_stream_goes_on_until_the_next_question(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    assert len(terminal.ask("SIR")) == 1
    wait(2.0)
    assert 7 <= len(terminal.heard) <= 10
    assert all(line.startswith("S S") for line in terminal.heard)
    terminal.ask("SI")
    wait(2.0)
    assert len(terminal.heard) == 1


@pytest.mark.parametrize(("line", "letters"), [("SR", "SDS"), ("SNR", "SS")])
def test_changes_are_told(terminal: Terminal, plant: Plant, wait: Wait, line: str, letters: str) -> None:
    terminal.ask(line)
    wait(30.0)
    assert len(terminal.heard) == 1
    plant.move("vials/1", "balance-1/1")
    wait(30.0)
    assert [heard.split()[1] for heard in terminal.heard] == list(letters)
    terminal.ask("@")


# ---------------------------------------------------------------- doors, adjustment, power


def test_doors_take_their_time_and_bar_the_pan(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    assert terminal.ask("WS 0") == ["WS A"]
    assert terminal.ask("WS") == ["WS A 9"]
    assert terminal.ask("WS 1") == ["WS I"]
    with pytest.raises(Impossible, match="balance-1 door moving"):
        plant.move("vials/1", "balance-1/1")
    wait(3.0)
    assert terminal.ask("WS") == ["WS A 0"]
    assert terminal.ask("WS 0") == ["WS L"]
    with pytest.raises(Impossible, match="balance-1 door closed"):
        plant.move("vials/1", "balance-1/1")
    assert terminal.ask("WS 2") == ["WS A"]
    wait(3.0)
    assert terminal.ask("WS") == ["WS A 2"]
    assert terminal.pan.door is DoorState.OPEN


def test_while_it_adjusts_itself_it_is_busy(terminal: Terminal, wait: Wait) -> None:
    assert terminal.ask("C3") == ["C3 B"]
    assert [terminal.ask(line) for line in ("S", "SI", "T", "Z", "TA", "WS", "M21 0 0")] == [
        ["S I"],
        ["S I"],
        ["T I"],
        ["Z I"],
        ["TA I"],
        ["WS I"],
        ["M21 I"],
    ]
    assert terminal.ask("I4") == ['I4 A "SIM-balance-1"']
    wait(61.0)
    assert terminal.heard == ['I4 A "SIM-balance-1"', "C3 A"]
    assert terminal.ask("SI")[0].startswith("S S")


def test_switched_off_and_on_it_forgets_and_says_so(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    heard: list[bytes] = []
    terminal.device.receiver(heard.append)
    load(plant, terminal, wait)
    terminal.ask("T")
    terminal.ask("M21 0 3")
    terminal.device.power_cycle()
    assert heard == [b'I4 A "SIM-balance-1"\r\n']
    assert terminal.ask("TA") == ["TA A     0.0000 g"]
    assert terminal.ask("SI")[0].startswith("S D")
