"""A balance, against lines on a pseudo-terminal and on a socket."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.mt_sics_balance import MtSicsBalance
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CommandDeniedError,
    RefusedError,
    UnknownDriverError,
    WrongInstrumentError,
)
from drivers.registry import build
from tests.drivers.fakes import Answer, FakeGate, FakePty, FakeSocket, Noted, by_line, end_of, look_at

QUESTIONS = ("I", "SI", "TA", "WS", "QRD 2")
"""What only asks."""
MOVES = ("WS 0", "WS 1")


class Scale:
    """A balance with 12.5 g on it, at rest, unless it is told otherwise."""

    def __init__(self, clock: JumpClock) -> None:
        self.clock = clock
        self.lines: list[str] = []
        self.serial = "B021002593"
        self.gross_mg, self.zero_mg, self.tare_mg = 12_500.0, 0.0, 0.0
        self.rest_s = 0.0
        self.door = "0"
        self.unit, self.decimals = "g", 4
        self.deaf: set[str] = set()
        """Commands whose reply is lost, though they are carried out."""
        self.lost: set[str] = set()
        """Commands that never arrive."""
        self.busy = 0
        """How many tares and zeros are answered with I."""
        self.answers: dict[str, list[str]] = {}
        self.once: dict[str, list[list[str]]] = {}
        """What a command is answered with the next times."""

    def respond(self, line: str) -> list[str]:
        self.lines.append(line)
        if line in self.lost:
            return []
        replies = self.once.get(line, [])
        reply = replies.pop(0) if replies else self.answers.get(line) or self.reply(line)
        return [] if line in self.deaf else reply

    def reply(self, line: str) -> list[str]:
        match line.split():
            case ["I4"] | ["@"]:
                return [f'I4 A "{self.serial}"']
            case ["I0"]:
                return ['I0 B 0 "@"', 'I0 B 0 "I0"', 'I0 A 1 "T"']
            case ["I2"]:
                return ['I2 A "XS204 Excellence 220.0090 g"']
            case ["I3"]:
                return ['I3 A "2.10 10.28"']
            case [("S" | "SI") as command]:
                moving = self.clock.now() < JUMP_EPOCH_S + self.rest_s
                if moving and command == "S":
                    return ["S I"]
                return [f"S {'D' if moving else 'S'} {self.value(self.gross_mg - self.zero_mg - self.tare_mg)}"]
            case ["T" | "Z"] if self.busy:
                self.busy -= 1
                return [f"{line} I"]
            case ["T"]:
                self.tare_mg = self.gross_mg - self.zero_mg
                return [f"T S {self.value(self.tare_mg)}"]
            case ["Z"]:
                self.zero_mg, self.tare_mg = self.gross_mg, 0.0
                return ["Z A"]
            case ["TAC"]:
                self.tare_mg = 0.0
                return ["TAC A"]
            case ["TA"]:
                return [f"TA A {self.value(self.tare_mg)}"]
            case ["WS"]:
                return [f"WS A {self.door}"]
            case ["WS", code]:
                self.door = code
                return ["WS A"]
        return ["ES"]

    def value(self, mass_mg: float) -> str:
        per = {"g": 1000.0, "mg": 1.0}[self.unit]
        return f"{mass_mg / per + 0.0:10.{self.decimals}f} {self.unit}"

    def told(self) -> list[str]:
        """Everything that it was told to do."""
        return [line for line in self.lines if not line.startswith(QUESTIONS) or line in MOVES]


@pytest.fixture
def scale(clock: JumpClock) -> Scale:
    return Scale(clock)


@pytest.fixture
def make(gate: FakeGate, clock: JumpClock, noted: Noted, bus: Bus) -> Callable[..., MtSicsBalance]:
    def make_one(address: str, **options: object) -> MtSicsBalance:
        options = {"limits": {"mass": 220_000.0}, "timeout": 0.1, **options}
        balance = build("balance-1", "mt-sics-balance", address, options, gate, clock, noted, bus)
        assert isinstance(balance, MtSicsBalance)
        balance.link.act_timeout_s = 0.2
        return balance

    return make_one


@pytest.fixture
def balance(scale: Scale, serve_pty: Callable[[Answer], FakePty], make: Callable[..., MtSicsBalance]) -> MtSicsBalance:
    return make(serve_pty(by_line(scale.respond)).path)


def test_it_says_who_it_is(balance: MtSicsBalance) -> None:
    assert balance.identify() == "balance XS204 Excellence B021002593"
    assert (balance.serial.get(), balance.model.get()) == ("B021002593", "XS204 Excellence")
    assert balance.capacity_mg.get() == 220_009.0


def test_it_works_over_tcp_too(
    scale: Scale, serve_socket: Callable[..., FakeSocket], make: Callable[..., MtSicsBalance], clock: JumpClock
) -> None:
    balance = make(f"socket://127.0.0.1:{serve_socket(by_line(scale.respond)).port}")
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == 12_500.0


def test_a_limit_is_needed(make: Callable[..., MtSicsBalance]) -> None:
    with pytest.raises(UnknownDriverError, match="balance-1: driver mt-sics-balance needs a limit for mass in mg"):
        make("/dev/null", limits={})


def test_every_signal_says_what_it_is(balance: MtSicsBalance) -> None:
    described = balance.describe()
    assert described["balance-1_mass_mg"]["units"] == "mg"
    assert described["balance-1_mass_mg"]["precision"] == 2
    assert described["balance-1_mass_mg"]["upper_ctrl_limit"] == 220_000.0
    assert described["balance-1_tare_mg"]["units"] == "mg"
    assert "balance-1_capacity_mg" in balance.describe_configuration()


# ---------------------------------------------------------------- weights


def test_a_mass_is_read_twice_at_rest(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.rest_s = 7.0
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == 12_500.0
    assert (balance.stable.get(), balance.state.get()) == (1.0, "at rest")
    assert scale.told() == ["S", "S"]
    assert 7 <= clock.now() - JUMP_EPOCH_S <= 8


def test_two_readings_that_differ_are_no_mass(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.once["S"] = [["S S     92.5000 g"], ["S S     12.5000 g"]]
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == 12_500.0
    assert scale.told() == ["S"] * 4


def test_readings_that_never_agree_fail(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.once["S"] = [[f"S S     {n}2.5000 g"] for n in (1, 2) * 100]
    error = end_of(clock, balance.set("weigh", within_s=5.0))
    assert isinstance(error, ActionFailedError)
    assert "balance-1: two readings of one mass are 1e+04 mg apart, allowed are 1 mg" in str(error)


def test_how_far_readings_may_be_apart_is_said_in_the_lab_file(
    scale: Scale, serve_pty: Callable[[Answer], FakePty], make: Callable[..., MtSicsBalance], clock: JumpClock
) -> None:
    balance = make(serve_pty(by_line(scale.respond)).path, agreement=30.0)
    scale.once["S"] = [["S S     12.5250 g"], ["S S     12.5000 g"]]
    assert end_of(clock, balance.set("weigh")) is None
    assert scale.told() == ["S", "S"]


def test_a_weight_that_never_rests_fails_in_time(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.rest_s = 1e9
    error = end_of(clock, balance.set("weigh", within_s=30.0))
    assert "balance-1: the weight did not come to rest in the time that it was given" in str(error)
    assert 30 <= clock.now() - JUMP_EPOCH_S <= 32
    assert scale.told() == []


def test_a_balance_at_something_else_is_waited_for(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.once["SI"] = [["S I"]] * 5
    assert end_of(clock, balance.set("weigh")) is None
    assert 4 <= clock.now() - JUMP_EPOCH_S <= 6
    scale.answers["SI"] = ["S I"]
    assert "the balance is at something else" in str(end_of(clock, balance.set("weigh", within_s=10.0)))


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("S +", "S: overload (S +)"),
        ("S -", "S: underload (S -)"),
        ("S S Error 15b", "S: weighing error 15b: adjustment needed, of the balance"),
        ("S S    999.0000 g", "the mass on it is 999000 mg, and can be -220000 to 220000 mg only"),
    ],
)
def test_what_is_wrong_with_a_weight_is_said(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock, reply: str, said: str
) -> None:
    scale.answers["SI"] = [reply]
    error = end_of(clock, balance.set("weigh"))
    assert str(error).startswith("balance-1: ")
    assert said in str(error)


def test_a_garbled_question_is_asked_again(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    balance.identify()
    scale.once |= {"SI": [["ES"], ["S S  12?5000 g"]], "S": [[], ["S S     12."]], "TA": [["ET"]]}
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == 12_500.0


def test_an_unanswered_reading_is_cancelled_before_it_is_asked_for_again(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock
) -> None:
    scale.once["S"] = [[]]
    assert end_of(clock, balance.set("weigh")) is None
    assert scale.told() == ["S", "@", "S", "S"]


def test_weights_in_milligrams_are_milligrams(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.unit, scale.decimals = "mg", 1
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == 12_500.0


def test_a_balance_that_weighs_in_another_unit_is_told_to_use_grams(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock
) -> None:
    scale.once["SI"] = [["S S     62.5000 ct"]]
    scale.answers["M21 0 0"] = ["M21 A"]
    assert end_of(clock, balance.set("weigh")) is None
    assert scale.told() == ["M21 0 0", "S", "S"]
    scale.answers["SI"] = ["S S     62.5000 ct"]
    error = end_of(clock, balance.set("tare"))
    assert str(error) == "balance-1: weighs in ct, whatever M21 0 0 says: set its host unit to g"


def test_a_wire_that_is_not_there_is_told_and_nothing_is_unknown(
    make: Callable[..., MtSicsBalance], clock: JumpClock
) -> None:
    balance = make("/nowhere/at/all")
    error = end_of(clock, balance.set("tare"))
    assert "balance-1: /nowhere/at/all cannot be opened: there is no such port" in str(error)


def test_a_weight_below_the_minimum_counts_and_is_marked(balance: MtSicsBalance, scale: Scale) -> None:
    scale.answers["SI"] = ["S M      0.0012 g"]
    look_at(balance)
    assert (balance.mass_mg.get(), balance.state.get()) == (1.2, "at rest, below minimum")


# ---------------------------------------------------------------- tare and zero


def test_a_tare_is_set_once_and_looked_after(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.rest_s = 4.0
    assert end_of(clock, balance.set("tare")) is None
    assert scale.told() == ["T"]
    assert (balance.tare_mg.get(), balance.mass_mg.get()) == (12_500.0, 0.0)
    scale.gross_mg += 100.0
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == pytest.approx(100.0)


def test_a_tare_whose_reply_was_lost_is_asked_for_and_not_repeated(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock
) -> None:
    scale.deaf.add("T")
    assert end_of(clock, balance.set("tare")) is None
    assert scale.told() == ["T", "@"]
    assert balance.tare_mg.get() == 12_500.0


def test_a_tare_that_never_arrived_is_told_and_not_repeated(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock
) -> None:
    scale.lost.add("T")
    error = end_of(clock, balance.set("tare"))
    assert str(error) == "balance-1: T was not answered and not carried out: ask for it again"
    assert scale.told() == ["T", "@"]


def test_a_tare_that_nobody_can_tell_of_is_unknown(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    balance.identify()

    def die(line: str) -> list[str]:
        if line == "T":
            scale.lost |= {"@", "I4", "SI", "TA", "I2", "I3", "WS"}
        return []

    scale.once["T"] = []
    original = scale.reply
    scale.reply = lambda line: die(line) if line == "T" else original(line)  # type: ignore[method-assign]
    error = end_of(clock, balance.set("tare"))
    assert "T was not answered, and whether it was carried out is unknown" in str(error)
    assert scale.told().count("T") == 1


def test_a_tare_that_met_a_busy_balance_is_repeated_after_asking(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock
) -> None:
    scale.busy = 2
    assert end_of(clock, balance.set("tare")) is None
    assert scale.told() == ["T", "T", "T"]
    between = scale.lines[scale.lines.index("T") + 1 :]
    assert between.index("SI") < between.index("T")


def test_a_balance_that_stays_busy_is_told(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.busy = 1000
    error = end_of(clock, balance.set("zero"))
    assert isinstance(error, BusyError)
    assert "balance-1: Z: is at something else, or not at rest (Z I)" in str(error)


def test_a_tare_that_is_acknowledged_and_not_in_effect_is_told(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock
) -> None:
    scale.answers["T"] = ["T S     12.5000 g"]
    assert "T was acknowledged and is not in effect" in str(end_of(clock, balance.set("tare")))
    assert scale.told() == ["T"]


def test_a_zero_is_set_once(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.gross_mg = 40.0
    scale.deaf.add("Z")
    assert end_of(clock, balance.set("zero")) is None
    assert scale.told() == ["Z", "@"]
    assert balance.mass_mg.get() == 0.0


def test_what_is_too_heavy_for_a_zero_is_told(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.answers["Z"] = ["Z +"]
    error = end_of(clock, balance.set("zero"))
    assert isinstance(error, RefusedError)
    assert str(error) == "balance-1: Z: overload (Z +)"


def test_a_tare_is_cleared(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    assert end_of(clock, balance.set("tare")) is None
    assert end_of(clock, balance.set("clear-tare")) is None
    assert balance.tare_mg.get() == 0.0
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == 12_500.0


def test_a_tare_that_was_changed_by_somebody_else_spoils_a_weighing(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock
) -> None:
    assert end_of(clock, balance.set("tare")) is None
    scale.tare_mg = 0.0
    look_at(balance)
    said = "the tare was 1.25e+04 mg and is 0 mg, which nobody asked for"
    assert said in str(balance.changed.get())
    error = end_of(clock, balance.set("weigh"))
    assert said in str(error)
    assert str(error).endswith("tare again, and weigh again")
    assert end_of(clock, balance.set("tare")) is None
    assert balance.changed.get() == ""
    assert end_of(clock, balance.set("weigh")) is None


def test_a_balance_without_a_tare_memory_weighs_all_the_same(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock
) -> None:
    scale.answers["TA"] = ["ES"]
    assert end_of(clock, balance.set("tare")) is None
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == 0.0
    assert math.isnan(float(balance.tare_mg.get()))


# ---------------------------------------------------------------- doors


@pytest.mark.parametrize(("verb", "line", "door"), [("open-door", "WS 1", "open"), ("close-door", "WS 0", "closed")])
def test_doors_are_moved_and_looked_at(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock, verb: str, line: str, door: str
) -> None:
    assert end_of(clock, balance.set(verb)) is None
    assert scale.told() == [line]
    assert balance.door.get() == door


def test_the_codes_of_doors_are_those_of_the_lab_file(
    scale: Scale, serve_pty: Callable[[Answer], FakePty], make: Callable[..., MtSicsBalance], clock: JumpClock
) -> None:
    balance = make(serve_pty(by_line(scale.respond)).path, open_code=5)
    assert end_of(clock, balance.set("open-door")) is None
    assert "WS 5" in scale.lines
    assert balance.door.get() == "open"


def test_a_door_that_does_not_move_is_told(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.answers["WS 1"] = ["WS I"]
    error = end_of(clock, balance.set("open-door"))
    assert "open-door: the doors are closed (WS 0) after 20 s, the balance said WS I" in str(error)


def test_a_balance_without_motors_says_so(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.answers |= {"WS": ["ES"], "WS 1": ["ES"]}
    error = end_of(clock, balance.set("open-door"))
    assert "no motor moves the doors of this balance: move them by hand" in str(error)
    look_at(balance)
    assert balance.door.get() == "none"


def test_a_lost_word_to_a_door_is_said_again(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.once["WS 1"] = [[]]
    assert end_of(clock, balance.set("open-door")) is None


# ---------------------------------------------------------------- lists, stops, looks


def test_what_it_can_do_is_read_line_by_line(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    assert end_of(clock, balance.set("inspect")) is None
    assert balance.commands.get() == "@ I0 T"
    assert balance.software.get() == "2.10 10.28"


def test_a_list_that_breaks_off_is_read_again(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.once["I0"] = [['I0 B 0 "@"'], ['I0 B 0 "@"', "I0 B"]]
    assert end_of(clock, balance.set("inspect")) is None
    assert balance.commands.get() == "@ I0 T"


def test_a_list_without_end_is_given_up(
    balance: MtSicsBalance, scale: Scale, clock: JumpClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.parts.sics_line.REPLY_S", 0.02)
    scale.answers["I0"] = ['I0 B 0 "@"'] * 5000
    error = end_of(clock, balance.set("inspect"))
    assert "balance-1: the reply to I0 broke off after" in str(error)


def test_a_stop_gives_up_what_waits(balance: MtSicsBalance, scale: Scale, clock: JumpClock, gate: FakeGate) -> None:
    scale.rest_s = 1e9
    status = balance.set("weigh")
    clock.sleep_until(clock.now() + 5.0)
    assert end_of(clock, balance.set("stop"), within_s=1.0) is None
    said = "balance-1: weigh was given up, because it was stopped after that was asked for"
    assert str(end_of(clock, status, within_s=2.0)) == said
    assert scale.told() == ["@"]
    assert gate.asked[-1].describe() == "stop"


def test_stopping_does_nothing_after_success_or_at_rest(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    balance.stop()
    balance.stop(success=True)
    clock.sleep_until(clock.now() + 1.0)
    assert scale.told() == []


def test_a_failed_plan_stops_what_waits(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.rest_s = 1e9
    status = balance.set("tare")
    clock.sleep_until(clock.now() + 5.0)
    balance.stop()
    assert "tare was given up" in str(end_of(clock, status, within_s=2.0))


def test_one_thing_at_a_time(balance: MtSicsBalance, scale: Scale, clock: JumpClock) -> None:
    scale.rest_s = 10.0
    first = balance.set("weigh")
    clock.sleep_until(clock.now() + 1.0)
    assert isinstance(end_of(clock, balance.set("tare")), BusyError)
    assert end_of(clock, first) is None


def test_denied_verbs_send_nothing(balance: MtSicsBalance, scale: Scale, gate: FakeGate) -> None:
    gate.denied["tare"] = "not now"
    with pytest.raises(CommandDeniedError):
        balance.set("tare")
    look_at(balance)
    assert scale.told() == []


def test_a_look_shows_what_is_there(balance: MtSicsBalance, scale: Scale) -> None:
    look_at(balance)
    assert (balance.mass_mg.get(), balance.stable.get(), balance.door.get()) == (12_500.0, 1.0, "closed")
    assert (balance.tare_mg.get(), balance.comm_ok.get()) == (0.0, 1)
    scale.rest_s = 1e9
    look_at(balance)
    assert math.isnan(float(balance.mass_mg.get()))
    assert (balance.stable.get(), balance.state.get()) == (0.0, "moving")


def test_a_look_believes_no_single_reading(balance: MtSicsBalance, scale: Scale) -> None:
    look_at(balance)
    scale.once["SI"] = [["S S     92.5000 g"]]
    look_at(balance)
    assert math.isnan(float(balance.mass_mg.get()))
    look_at(balance)
    assert balance.mass_mg.get() == 12_500.0


@pytest.mark.parametrize(
    ("reply", "state"), [("S +", "S: overload (S +)"), ("S I", "busy"), ("S S Error 1t", "weighing error 1t")]
)
def test_a_look_shows_what_is_wrong(balance: MtSicsBalance, scale: Scale, reply: str, state: str) -> None:
    scale.answers["SI"] = [reply]
    look_at(balance)
    assert state in str(balance.state.get())
    assert balance.comm_ok.get() == 1
    assert math.isnan(float(balance.mass_mg.get()))


def test_silence_leaves_no_number(balance: MtSicsBalance, scale: Scale) -> None:
    look_at(balance)
    scale.lost |= {"SI", "I4"}
    look_at(balance)
    assert balance.comm_ok.get() == 0
    assert math.isnan(float(balance.mass_mg.get()))
    assert math.isnan(float(balance.stable.get()))
    assert balance.door.get() == "unknown"
    assert "nobody answers at" in str(balance.last_error)


# ---------------------------------------------------------------- who is there


def test_another_balance_behind_the_address_is_told(balance: MtSicsBalance, scale: Scale) -> None:
    look_at(balance)
    scale.lost.add("SI")
    look_at(balance)
    scale.lost.clear()
    scale.serial = "C999"
    look_at(balance)
    assert isinstance(balance.last_error, WrongInstrumentError)
    assert "balance C999 answers at" in str(balance.last_error)
    assert "and B021002593 is meant: is the cable in the right socket?" in str(balance.last_error)
    assert balance.comm_ok.get() == 0


def test_the_serial_number_of_the_lab_file_is_held(
    scale: Scale, serve_pty: Callable[[Answer], FakePty], make: Callable[..., MtSicsBalance]
) -> None:
    balance = make(serve_pty(by_line(scale.respond)).path, serial="B1")
    with pytest.raises(WrongInstrumentError, match=r"balance B021002593 answers .* and B1 is meant"):
        balance.identify()


def test_a_quantos_is_no_balance_and_is_not_remembered_as_one(balance: MtSicsBalance, scale: Scale) -> None:
    scale.serial, scale.answers = "C999", {"QRD 2 3 7": ["QRD 2 3 7 2 A"]}
    with pytest.raises(WrongInstrumentError, match=r"^balance-1: a Quantos answers at .*: is the address right in the"):
        balance.identify()
    assert balance.serial.get() == ""
    scale.serial, scale.answers = "B021002593", {}
    assert balance.identify().endswith("B021002593")


def test_the_balance_of_a_quantos_is_one_where_its_serial_number_is_given(
    scale: Scale, serve_pty: Callable[[Answer], FakePty], make: Callable[..., MtSicsBalance]
) -> None:
    scale.answers = {"QRD 2 3 7": ["QRD 2 3 7 2 A"]}
    assert make(serve_pty(by_line(scale.respond)).path, serial=scale.serial).identify().endswith(scale.serial)


def test_a_serial_number_that_is_read_wrong_once_is_no_other_balance(balance: MtSicsBalance, scale: Scale) -> None:
    balance.identify()
    scale.once["I4"] = [['I4 A "B021002?93"']]
    assert balance.identify().endswith("B021002593")


def test_lines_that_nobody_asked_for_are_no_answers(
    scale: Scale, serve_pty: Callable[[Answer], FakePty], make: Callable[..., MtSicsBalance], clock: JumpClock
) -> None:
    """A stream that somebody began with SIR, and the greeting after power comes back."""
    far = serve_pty(by_line(scale.respond))
    balance = make(far.path)
    balance.identify()
    far.say(b"S D     99.0000 g\r\n" * 20 + b'I4 A "B021002593"\r\n')
    assert end_of(clock, balance.set("tare")) is None
    assert end_of(clock, balance.set("weigh")) is None
    assert balance.mass_mg.get() == 0.0
