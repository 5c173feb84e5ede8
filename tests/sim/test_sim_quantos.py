"""The simulated Quantos, line by line, in lab time."""

import re
import statistics
from collections.abc import Callable

import pytest

from sim.instruments.quantos import Quantos
from sim.plant import Doser, Plant

Wait = Callable[[float], None]


class Terminal:
    """Keeps what the balance says."""

    def __init__(self, plant: Plant) -> None:
        self.quantos = Quantos(plant, plant.dosers["doser-1"])
        self.heard: list[str] = []

    def ask(self, line: str) -> list[str]:
        """Give what is answered at once."""
        self.heard.clear()
        self.quantos.command(line, self.heard.append)
        return list(self.heard)

    def set(self, *lines: str) -> None:
        for line in lines:
            assert self.ask(line)[-1].endswith(" A"), line


@pytest.fixture
def terminal(plant: Plant) -> Terminal:
    return Terminal(plant)


@pytest.fixture
def ready(plant: Plant, terminal: Terminal, wait: Wait) -> Terminal:
    """Vial on, head 1 locked, door closed, target set."""
    plant.move("vials/1", "doser-1/1")
    plant.change_head("doser-1", 1)
    for line in ("QRA 60 2 4", "QRA 60 7 2"):
        terminal.ask(line)
        wait(10.0)
    terminal.set("QRD 1 1 5 592.00", "QRD 1 1 6 0.5", "QRD 1 1 7 0", "QRD 1 1 8 S1")
    return terminal


def net_mg(lines: list[str]) -> float:
    return float(lines[0].split()[2]) * 1000.0


def dose(terminal: Terminal, wait: Wait) -> list[str]:
    terminal.ask("QRA 61 1")
    wait(100.0)
    return list(terminal.heard)


def powder_mg(plant: Plant) -> float:
    vial = plant.labware_at("doser-1/1")
    assert vial is not None
    return vial.powder.mass_mg


def test_it_identifies_itself(terminal: Terminal) -> None:
    assert terminal.ask("I4") == ['I4 A "SIM-doser-1"']
    assert terminal.ask("@") == ['I4 A "SIM-doser-1"']


def test_nonsense_is_a_syntax_error(terminal: Terminal) -> None:
    assert terminal.ask("XYZ") == ["ES"]
    assert terminal.ask("") == ["ES"]


def test_weights_are_in_grams_and_tare_takes_them_away(ready: Terminal) -> None:
    assert re.fullmatch(r"S S +1[23]\.\d{5} g", ready.ask("S")[0])
    assert ready.ask("T")[0].startswith("T S")
    assert abs(net_mg(ready.ask("S"))) < 0.2
    # A vial weighs more than may be set to zero.
    assert ready.ask("Z") == ["Z +"]


def test_an_empty_pan_can_be_set_to_zero(terminal: Terminal, wait: Wait) -> None:
    assert terminal.ask("Z") == ["Z A"]
    assert abs(net_mg(terminal.ask("S"))) < 0.2


def test_the_pan_is_restless_after_a_vial_was_put_on(plant: Plant, terminal: Terminal, wait: Wait) -> None:
    plant.move("vials/1", "doser-1/1")
    assert terminal.ask("SI")[0].startswith("S D")
    assert terminal.ask("S") == []
    wait(5.0)
    assert terminal.heard[0].startswith("S S")


def test_a_waiting_weight_can_be_cancelled(plant: Plant, terminal: Terminal, wait: Wait) -> None:
    plant.move("vials/1", "doser-1/1")
    terminal.ask("S")
    terminal.ask("@")
    wait(10.0)
    assert terminal.heard == ['I4 A "SIM-doser-1"']


def test_doors_and_pins_answer_twice(terminal: Terminal, plant: Plant, wait: Wait) -> None:
    assert terminal.ask("QRA 60 7 2") == ["QRA 60 7 B"]
    assert terminal.ask("QRD 2 3 7") == ["QRD 2 3 7 9 A"]
    assert terminal.ask("QRA 60 2 4") == ["QRA 60 2 I 2"]
    wait(5.0)
    assert terminal.heard == ["QRA 60 2 I 2", "QRA 60 7 A"]
    assert terminal.ask("QRD 2 3 7") == ["QRD 2 3 7 2 A"]
    assert terminal.ask("QRA 60 2 4") == ["QRA 60 2 B"]
    wait(5.0)
    assert terminal.heard == ["QRA 60 2 B", "QRA 60 2 A"]


def test_dosing_takes_its_time_and_ends_near_the_target(ready: Terminal, plant: Plant, wait: Wait) -> None:
    ready.ask("T")
    assert ready.ask("QRA 61 1") == ["QRA 61 1 B"]
    wait(25.0)
    assert ready.heard == ["QRA 61 1 B"]
    wait(70.0)
    assert ready.heard == ["QRA 61 1 B", "QRA 61 1 A"]
    assert powder_mg(plant) == pytest.approx(592.0, abs=2.5)
    assert net_mg(ready.ask("S")) == pytest.approx(powder_mg(plant), abs=0.2)


def test_the_result_tells_what_the_balance_found(ready: Terminal, plant: Plant, wait: Wait) -> None:
    dose(ready, wait)
    lines = ready.ask("QRD 2 4 12")
    assert (lines[0], lines[-1]) == ("QRD 2 4 12 B", "QRD 2 4 12 A")
    xml = "\n".join(lines)
    content = re.search(r'<Content Unit="mg">([\d.]+)</Content>', xml)
    assert content
    assert float(content[1]) == pytest.approx(powder_mg(plant), abs=0.2)
    assert "<Sample_ID>S1</Sample_ID>" in xml
    assert "<Validity>valid</Validity>" in xml


def test_the_head_tells_its_lot_and_what_is_left(ready: Terminal, wait: Wait) -> None:
    dose(ready, wait)
    xml = "\n".join(ready.ask("QRD 2 4 11"))
    assert "<Lot_ID>BaCO3-a</Lot_ID>" in xml
    assert "<Rem._dosages>998</Rem._dosages>" in xml
    left = re.search(r'<Rem\._quantity Unit="mg">([\d.]+)<', xml)
    assert left
    assert float(left[1]) == pytest.approx(20_000.0 - 592.0, abs=3.0)


def test_misses_scatter_by_a_realistic_amount(ready: Terminal, plant: Plant, wait: Wait) -> None:
    misses_mg, before_mg = [], 0.0
    for _ in range(30):
        dose(ready, wait)
        misses_mg.append(powder_mg(plant) - before_mg - 592.0)
        before_mg = powder_mg(plant)
    assert 0.2 < statistics.stdev(misses_mg) < 1.0


def test_without_head_vial_or_closed_door_nothing_is_dosed(plant: Plant, terminal: Terminal, wait: Wait) -> None:
    terminal.set("QRD 1 1 5 100")
    assert terminal.ask("QRA 61 1") == ["QRA 61 1 I 1"]
    plant.change_head("doser-1", 1)
    assert terminal.ask("QRA 61 1") == ["QRA 61 1 I 1"]
    terminal.ask("QRA 60 2 4")
    wait(5.0)
    assert terminal.ask("QRA 61 1") == ["QRA 61 1 I 5"]
    plant.move("vials/1", "doser-1/1")
    assert terminal.ask("QRA 61 1") == ["QRA 61 1 I 5"]


def test_a_stopped_dosing_leaves_a_part_of_the_dose(ready: Terminal, plant: Plant, wait: Wait) -> None:
    ready.ask("QRA 61 1")
    wait(10.0)
    assert ready.ask("SI")[0].startswith("S D")
    assert ready.ask("QRD 1 1 5 10") == ["QRD 1 1 5 I 2"]
    assert ready.ask("QRA 61 4") == ["QRA 61 4 B", "QRA 61 1 I 8", "QRA 61 4 A"]
    assert 50.0 < powder_mg(plant) < 580.0
    wait(100.0)
    assert ready.heard == ["QRA 61 4 B", "QRA 61 1 I 8", "QRA 61 4 A"]


def test_a_head_that_runs_dry_is_a_flow_error_with_a_part_dosed(ready: Terminal, plant: Plant, wait: Wait) -> None:
    for line in ("QRA 60 2 3", "QRA 60 7 3"):
        ready.ask(line)
        wait(10.0)
    plant.change_head("doser-1", 2)
    for line in ("QRA 60 2 4", "QRA 60 7 2"):
        ready.ask(line)
        wait(10.0)
    assert dose(ready, wait) == ["QRA 61 1 B", "QRA 61 1 I 7"]
    assert powder_mg(plant) == pytest.approx(300.0, abs=1.0)


def test_a_locked_head_cannot_be_taken(ready: Terminal, plant: Plant) -> None:
    from sim.plant import Impossible

    with pytest.raises(Impossible, match="head pin locked"):
        plant.change_head("doser-1", 0)


@pytest.mark.parametrize("line", ["QRD 1 1 5 0.01", "QRD 1 1 5 lots", "QRD 1 1 6 50", "QRD 1 1 7 2", "QRD 1 1 99 1"])
def test_wrong_parameters_are_answered_with_a_shortened_id(terminal: Terminal, line: str) -> None:
    assert terminal.ask(line) == ["QRD 1 1 L"]


def test_there_is_no_result_before_the_first_dosing(terminal: Terminal) -> None:
    assert terminal.ask("QRD 2 4 12") == ["QRD 2 4 12 I 1"]
    assert terminal.ask("QRD 2 4 11") == ["QRD 2 4 11 I 1"]
    assert terminal.ask("QRA 61 9") == ["QRA 61 L"]


# ---------------------------------------------------------------- settings, pan and autosampler


@pytest.mark.parametrize(
    "line",
    [
        "QRD 1 1 1 1",
        "QRD 1 1 2 0",
        "QRD 1 1 3 100",
        "QRD 1 1 4 10",
        "QRD 1 1 5 250000.00",
        "QRD 1 1 6 40.0",
        "QRD 1 1 7 1",
        "QRD 1 1 8 S001",
        "QRD 1 1 13 me",
        "QRD 1 1 14 1",
        "QRD 1 1 15 1",
    ],
)
def test_everything_that_can_be_set_is_acknowledged(terminal: Terminal, line: str) -> None:
    assert terminal.ask(line) == [f"{' '.join(line.split()[:4])} A"]


@pytest.mark.parametrize(
    "line", ["QRD 1 1 1 2", "QRD 1 1 3 9", "QRD 1 1 3 101", "QRD 1 1 4 0", "QRD 1 1 4 x", f"QRD 1 1 8 {'S' * 21}"]
)
def test_what_cannot_be_set_is_refused(terminal: Terminal, line: str) -> None:
    assert terminal.ask(line) == ["QRD 1 1 L"]


def test_the_record_tells_the_settings(ready: Terminal, wait: Wait) -> None:
    ready.set("QRD 1 1 1 1", "QRD 1 1 3 60", "QRD 1 1 14 1", "QRD 1 1 13 me", "QRD 1 1 7 1")
    dose(ready, wait)
    xml = "\n".join(ready.ask("QRD 2 4 12"))
    for element in (
        "<Powder_dosing_mode>Advanced</Powder_dosing_mode>",
        "<Tapping_before_dosing>Yes</Tapping_before_dosing>",
        '<Intensity Unit="%">60</Intensity>',
        "<User_ID>me</User_ID>",
        "<Tolerance_Mode>0/+</Tolerance_Mode>",
    ):
        assert element in xml


def test_the_pan_is_loaded_or_declared_empty(plant: Plant, terminal: Terminal, wait: Wait) -> None:
    assert terminal.ask("QRD 2 2 9") == ["QRD 2 2 9 0 A"]
    plant.move("vials/1", "doser-1/1")
    assert terminal.ask("QRD 2 2 9") == ["QRD 2 2 9 1 A"]
    assert terminal.ask("QRD 1 1 9 0") == ["QRD 1 1 9 I 6"]
    wait(5.0)
    assert terminal.ask("QRD 1 1 9 0") == ["QRD 1 1 9 A"]
    assert terminal.ask("QRD 2 2 9") == ["QRD 2 2 9 0 A"]


def test_without_an_autosampler_none_is_selected(terminal: Terminal) -> None:
    assert terminal.ask("QRD 2 2 8") == ["QRD 2 2 8 0 A"]
    assert terminal.ask("QRD 2 3 8") == ["QRD 2 3 8 I 4"]
    assert terminal.ask("QRA 60 8 1") == ["QRA 60 8 I 4"]
    assert terminal.ask("QRA 60 8 31") == ["QRA 60 L"]


@pytest.fixture
def turntable(plant: Plant) -> Terminal:
    """A doser with an autosampler."""
    plant.add_doser(Doser("doser-1", plant.dosers["doser-1"].heads, plant.truth, 11, has_sampler=True))
    return Terminal(plant)


def test_an_autosampler_brings_vials_under_the_head(turntable: Terminal, plant: Plant, wait: Wait) -> None:
    plant.move("vials/1", "doser-1/7")
    assert turntable.ask("QRD 2 3 8") == ["QRD 2 3 8 0 A"]
    assert net_mg(turntable.ask("SI")) == pytest.approx(0.0, abs=50.0)
    assert turntable.ask("QRA 60 8 7") == ["QRA 60 8 B"]
    wait(10.0)
    assert turntable.heard == ["QRA 60 8 B", "QRA 60 8 A"]
    assert turntable.ask("QRD 2 3 8") == ["QRD 2 3 8 7 A"]
    assert net_mg(turntable.ask("S")) > 12_000.0
    assert turntable.ask("QRA 60 8 30") == ["QRA 60 8 B"]


def test_a_blocked_autosampler_says_so(turntable: Terminal, plant: Plant, wait: Wait) -> None:
    plant.dosers["doser-1"].sampler_blocked = True
    turntable.ask("QRA 60 8 3")
    wait(10.0)
    assert turntable.heard == ["QRA 60 8 B", "QRA 60 8 I 13"]
    assert turntable.ask("QRD 2 3 8") == ["QRD 2 3 8 0 A"]


# ---------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(("change", "code"), [("expired", 12), ("allowed", 10)])
def test_a_head_that_must_not_be_used_is_refused(ready: Terminal, plant: Plant, change: str, code: int) -> None:
    head = plant.dosers["doser-1"].heads[1]
    setattr(head, change, change == "expired")
    assert ready.ask("QRA 61 1") == [f"QRA 61 1 I {code}"]


def test_a_head_is_spent_after_its_dosages(ready: Terminal, plant: Plant) -> None:
    plant.dosers["doser-1"].heads[1].dosages = 999
    assert ready.ask("QRA 61 1") == ["QRA 61 1 I 11"]


def test_a_restless_pan_is_not_dosed_onto(ready: Terminal, plant: Plant) -> None:
    plant.dosers["doser-1"].disturb(plant.now())
    assert ready.ask("QRA 61 1") == ["QRA 61 1 I 6"]


def test_nothing_else_is_done_while_it_doses(ready: Terminal) -> None:
    ready.ask("QRA 61 1")
    assert ready.ask("QRD 2 4 12") == ["QRD 2 4 12 I 2"]
    assert ready.ask("QRA 60 7 3") == ["QRA 60 7 I 2"]
    assert ready.ask("S") == ["S I"]
    assert ready.ask("T") == ["T I"]
    assert ready.ask("QRA 61 1") == ["QRA 61 1 I 2"]
    assert ready.ask("SI")[0].startswith("S D")


def test_a_label_is_cut(terminal: Terminal, wait: Wait) -> None:
    terminal.ask("QRA 61 3")
    wait(2.0)
    assert terminal.heard == ["QRA 61 3 B", "QRA 61 3 A"]


def test_a_door_that_cannot_be_detected_is_told(terminal: Terminal) -> None:
    terminal.quantos.door_detectable = False
    assert terminal.ask("QRD 2 3 7") == ["QRD 2 3 7 8 A"]


def test_switching_it_off_leaves_a_part_of_the_dose_and_loses_the_rest(
    ready: Terminal, plant: Plant, wait: Wait
) -> None:
    ready.ask("T")
    heard: list[bytes] = []
    ready.quantos.receiver(heard.append)
    ready.ask("QRA 61 1")
    wait(15.0)
    ready.quantos.power_cycle()
    assert heard == [b'I4 A "SIM-doser-1"\r\n']
    assert 50.0 < powder_mg(plant) < 580.0
    wait(100.0)
    assert ready.heard == ["QRA 61 1 B"]
    assert ready.ask("TA")[0].split()[2] == "0.00000"
    assert ready.ask("QRD 2 4 12") == ["QRD 2 4 12 I 1"]
    assert ready.ask("QRA 61 1") == ["QRA 61 1 I 5"]


def test_the_balance_inside_knows_all_of_mt_sics(terminal: Terminal) -> None:
    commands = terminal.ask("I0")
    assert commands[0] == 'I0 B 0 "@"'
    assert commands[-1] == 'I0 A 3 "QRD"'
    assert terminal.ask("I2") == ['I2 A "XPE206 Excellence 220.0000 g"']
    assert terminal.ask("TA") == ["TA A    0.00000 g"]
    assert terminal.ask("WS 1") == ["ES"]
