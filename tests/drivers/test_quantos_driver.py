"""The dosing system, against lines on a pseudo-terminal."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.quantos import QuantosDoser
from drivers.errors import (
    ActionFailedError,
    BusyError,
    CommandDeniedError,
    LimitError,
    RefusedError,
    WrongInstrumentError,
)
from tests.drivers.fake_quantos import DOSE, HEAD, Balance, make_doser
from tests.drivers.fakes import Answer, FakeGate, FakePty, Noted, by_line, end_of, look_at


@pytest.fixture
def balance(clock: JumpClock) -> Balance:
    return Balance(clock)


@pytest.fixture
def doser(
    balance: Balance,
    serve_pty: Callable[[Answer], FakePty],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> QuantosDoser:
    balance.far = serve_pty(by_line(balance.respond))
    return make_doser(balance.far.path, gate, clock, noted, bus)


def test_the_balance_says_who_it_is(doser: QuantosDoser) -> None:
    assert doser.identify() == "Quantos B021"


def test_a_balance_that_cannot_dose_is_told(doser: QuantosDoser, balance: Balance) -> None:
    balance.answers["QRD 2 3 7"] = ["ES"]
    with pytest.raises(WrongInstrumentError, match=r"doser-1: balance B021 .* is no Quantos"):
        doser.identify()


def test_a_dosing_is_set_up_tared_started_once_and_weighed(
    doser: QuantosDoser, balance: Balance, clock: JumpClock, gate: FakeGate
) -> None:
    balance.pan_mg = 11_000.0
    balance.poured = 1.0005
    assert end_of(clock, doser.set("dose", **DOSE)) is None
    assert balance.told() == [
        "QRD 1 1 5 592.00",
        "QRD 1 1 6 0.1",
        "QRD 1 1 7 0",
        "QRD 1 1 8 S001",
        "T",
        "QRA 61 1",
        "S",
        "S",
    ]
    assert balance.lines.count("QRD 2 4 12") == 1
    assert balance.lines.index("QRD 2 4 12") > balance.lines.index("QRA 61 1")
    assert gate.asked[0].describe() == "dose S001 592 mg"
    assert doser.net_mg.get() == pytest.approx(592.30, abs=0.01)
    assert doser.dosed_mg.get() == pytest.approx(592.30, abs=0.01)
    assert (doser.head_lot.get(), doser.head_substance.get(), doser.validity.get()) == ("BaCO3-lot7", "BaCO3", "valid")
    assert 40 <= clock.now() - JUMP_EPOCH_S <= 42


def test_weights_that_take_their_time_are_waited_for_in_lab_time(
    doser: QuantosDoser, balance: Balance, clock: JumpClock
) -> None:
    balance.weight_s = 12.0
    balance.pan_mg = 5.0
    assert end_of(clock, doser.set("weigh")) is None
    assert doser.net_mg.get() == 5.0
    # Twice, because no line has a checksum.
    assert balance.lines.count("S") == 2
    assert 12 <= clock.now() - JUMP_EPOCH_S <= 13


def test_a_weight_that_never_rests_fails(doser: QuantosDoser, balance: Balance, clock: JumpClock) -> None:
    balance.weight_s = 1e9
    assert "the weight did not come to rest in the time that it was given (rest_within, 60 s)" in str(
        end_of(clock, doser.set("weigh"))
    )
    assert "S" not in balance.lines


def test_too_much_on_the_pan_is_said(doser: QuantosDoser, balance: Balance, clock: JumpClock) -> None:
    balance.answers.update({"SI": ["S +"], "S": ["S +"]})
    assert "doser-1: S: overload" in str(end_of(clock, doser.set("weigh")))


def test_nothing_is_sent_while_a_dosing_is_under_way(doser: QuantosDoser, balance: Balance, clock: JumpClock) -> None:
    running = doser.set("dose", **DOSE)
    clock.sleep_until(clock.now() + 10)
    sent = len(balance.lines)
    assert isinstance(end_of(clock, doser.set("open-door")), BusyError)
    clock.sleep_until(clock.now() + 5)
    assert len(balance.lines) == sent
    assert doser.age_s.get() < 60
    assert end_of(clock, running) is None


def test_a_powder_that_does_not_flow_fails_with_the_mass_that_was_found(
    doser: QuantosDoser, balance: Balance, clock: JumpClock
) -> None:
    balance.dosing_end, balance.poured = "QRA 61 1 I 7", 0.5
    error = end_of(clock, doser.set("dose", **DOSE))
    assert isinstance(error, ActionFailedError)
    assert str(error) == "doser-1: QRA 61 1: powder flow error (I 7); 296.00 mg were found on the pan"
    assert balance.lines.count("QRA 61 1") == 1
    assert doser.dosed_mg.get() == 296.0


def test_a_dosing_that_never_ends_is_stopped_weighed_and_never_repeated(
    doser: QuantosDoser, balance: Balance, clock: JumpClock
) -> None:
    balance.dosing_end, balance.poured = None, 0.25
    error = end_of(clock, doser.set("dose", **DOSE))
    assert "QRA 61 1 did not end in 1800 s; 148.00 mg were found on the pan" in str(error)
    assert balance.lines.count("QRA 61 1") == 1
    assert balance.lines.index("QRA 61 4") < balance.lines.index("QRD 2 4 12")


def test_how_long_a_dosing_may_take_is_said_in_the_lab_file(
    balance: Balance,
    serve_pty: Callable[[Answer], FakePty],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> None:
    balance.far = serve_pty(by_line(balance.respond))
    doser = make_doser(balance.far.path, gate, clock, noted, bus, dosing_within=100.0)
    balance.dosing_end, balance.poured = None, 0.25
    error = end_of(clock, doser.set("dose", **DOSE))
    assert "QRA 61 1 did not end in 100 s; 148.00 mg were found on the pan" in str(error)
    assert 100 <= clock.now() - JUMP_EPOCH_S <= 110


def test_a_mass_that_cannot_be_found_is_told_to_be_unknown(
    doser: QuantosDoser, balance: Balance, clock: JumpClock
) -> None:
    balance.dosing_end = "QRA 61 1 I 3"
    balance.answers["S"] = ["S I"]
    error = end_of(clock, doser.set("dose", **DOSE))
    assert "timeout (I 3), and the mass is unknown" in str(error)
    assert "weigh it before anything else is dosed" in str(error)


def test_a_setting_that_is_refused_starts_nothing(doser: QuantosDoser, balance: Balance, clock: JumpClock) -> None:
    balance.answers["QRD 1 1 5 592.00"] = ["QRD 1 1 L"]
    error = end_of(clock, doser.set("dose", **DOSE))
    assert isinstance(error, RefusedError)
    assert "QRA 61 1" not in balance.lines


def test_a_missing_head_starts_nothing(doser: QuantosDoser, balance: Balance, clock: JumpClock) -> None:
    balance.answers["QRD 2 4 11"] = ["QRD 2 4 11 I 1"]
    error = end_of(clock, doser.set("dose", **DOSE))
    assert str(error) == "doser-1: QRD 2 4 11: not mounted (I 1)"
    assert "QRA 61 1" not in balance.lines


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"mass_mg": 2001.0}, "doser-1: 2001 mg requested, limit 2000 mg"),
        ({"mass_mg": math.nan}, "doser-1: nan mg requested"),
        ({"tolerance_mg": 0.1}, "doser-1: a tolerance of 0.1 mg"),
        ({"sample_id": "a b"}, "doser-1: sample id 'a b'"),
    ],
)
def test_what_exceeds_a_limit_reaches_neither_gate_nor_wire(
    doser: QuantosDoser, gate: FakeGate, changed: dict[str, object], said: str
) -> None:
    with pytest.raises(LimitError, match=said):
        doser.set("dose", **{**DOSE, **changed})
    assert gate.asked == []


def test_a_denied_dosing_sends_nothing(doser: QuantosDoser, balance: Balance, gate: FakeGate) -> None:
    gate.denied["dose"] = "no lease"
    with pytest.raises(CommandDeniedError):
        doser.set("dose", **DOSE)
    look_at(doser)
    assert balance.told() == []


@pytest.mark.parametrize(
    ("verb", "line"),
    [
        ("open-door", "QRA 60 7 3"),
        ("close-door", "QRA 60 7 2"),
        ("unlock-head", "QRA 60 2 3"),
        ("lock-head", "QRA 60 2 4"),
    ],
)
def test_motions_end_when_the_instrument_says_so(
    doser: QuantosDoser, balance: Balance, clock: JumpClock, verb: str, line: str
) -> None:
    assert end_of(clock, doser.set(verb)) is None
    assert line in balance.lines
    assert 5 <= clock.now() - JUMP_EPOCH_S <= 6


def test_head_and_door_can_be_looked_at(doser: QuantosDoser, clock: JumpClock) -> None:
    assert end_of(clock, doser.set("head-info")) is None
    assert doser.head_lot.get() == "BaCO3-lot7"
    assert doser.door.get() == "closed"


def test_stopping_ends_a_dosing_that_is_under_way(
    doser: QuantosDoser, balance: Balance, clock: JumpClock, gate: FakeGate
) -> None:
    balance.dosing_end, balance.poured = None, 0.1
    status = doser.set("dose", **DOSE)
    clock.sleep_until(clock.now() + 10)
    doser.stop()
    error = end_of(clock, status, within_s=5.0)
    assert "stopped from outside (I 8); 59.20 mg were found on the pan" in str(error)
    assert gate.asked[-1].describe() == "stop-dosing"


def test_stopping_does_nothing_after_success_or_at_rest(
    doser: QuantosDoser, balance: Balance, clock: JumpClock, gate: FakeGate
) -> None:
    doser.stop()
    status = doser.set("dose", **DOSE)
    clock.sleep_until(clock.now() + 10)
    doser.stop(success=True)
    assert end_of(clock, status) is None
    assert "QRA 61 4" not in balance.lines


def test_data_that_break_off_are_asked_for_again(
    doser: QuantosDoser, balance: Balance, clock: JumpClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivers.parts.sics_line.NEXT_LINE", 0.05)
    cut = ["QRD 2 4 11 B", HEAD[0]]
    whole = [*cut, HEAD[1], "QRD 2 4 11 A"]
    replies = [cut]
    original = balance.respond

    def respond(line: str) -> list[str]:
        if line != "QRD 2 4 11":
            return original(line)
        return replies.pop() if replies else whole

    assert balance.far is not None
    balance.far._answer = by_line(respond)
    assert end_of(clock, doser.set("head-info")) is None
    assert doser.head_substance.get() == "BaCO3"


def test_the_verb_that_stops_is_acknowledged(
    doser: QuantosDoser, balance: Balance, clock: JumpClock, gate: FakeGate
) -> None:
    balance.dosing_end, balance.poured = None, 0.1
    dosing = doser.set("dose", **DOSE)
    clock.sleep_until(clock.now() + 10)
    assert end_of(clock, doser.set("stop-dosing"), within_s=1.0) is None
    assert balance.lines.count("QRA 61 4") == 1
    assert "stopped from outside" in str(end_of(clock, dosing, within_s=5.0))


def test_stopping_at_rest_is_acknowledged_and_sends_nothing(
    doser: QuantosDoser, balance: Balance, clock: JumpClock
) -> None:
    assert end_of(clock, doser.set("stop-dosing"), within_s=1.0) is None
    assert "QRA 61 4" not in balance.lines


def test_a_dosing_that_was_stopped_while_it_was_prepared_does_not_begin(
    doser: QuantosDoser, balance: Balance, clock: JumpClock
) -> None:
    balance.weight_s = 30.0
    dosing = doser.set("dose", **DOSE)
    clock.sleep_until(clock.now() + 10)
    doser.set("stop-dosing")
    said = "doser-1: dose was given up, because it was stopped after that was asked for"
    assert str(end_of(clock, dosing)) == said
    assert "QRA 61 1" not in balance.lines
    assert end_of(clock, doser.set("dose", **DOSE)) is None


def test_a_dosing_that_is_still_queued_at_a_stop_sets_nothing_up(
    doser: QuantosDoser, balance: Balance, clock: JumpClock
) -> None:
    dosing = doser.set("dose", **DOSE)
    doser.stop()
    assert "dose was given up, because it was stopped" in str(end_of(clock, dosing))
    assert not {"QRD 1 1 5 592.00", "T", "QRA 61 1"} & set(balance.lines)
    assert end_of(clock, doser.set("dose", **DOSE)) is None


def test_a_queued_dosing_goes_on_after_success(doser: QuantosDoser, balance: Balance, clock: JumpClock) -> None:
    dosing = doser.set("dose", **DOSE)
    doser.stop(success=True)
    assert end_of(clock, dosing) is None
    assert balance.lines.count("QRA 61 1") == 1
