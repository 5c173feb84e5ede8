"""The dosing system on a bad day: lost lines, other heads, other records, other people."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from drivers.bus import Bus
from drivers.clock import JUMP_EPOCH_S, JumpClock
from drivers.devices.quantos import QuantosDoser
from drivers.errors import ActionFailedError, LimitError, RefusedError, WrongInstrumentError
from tests.drivers.fake_quantos import DOSE, HEAD, Balance, make_doser
from tests.drivers.fakes import Answer, FakeGate, FakePty, Noted, by_line, end_of, look_at

Make = Callable[..., QuantosDoser]


@pytest.fixture
def balance(clock: JumpClock) -> Balance:
    return Balance(clock)


@pytest.fixture
def make(
    balance: Balance,
    serve_pty: Callable[[Answer], FakePty],
    gate: FakeGate,
    clock: JumpClock,
    noted: Noted,
    bus: Bus,
) -> Make:
    def make_one(**options: object) -> QuantosDoser:
        balance.far = serve_pty(by_line(balance.respond))
        doser = make_doser(balance.far.path, gate, clock, noted, bus, **{"timeout": 0.1, **options})
        doser.link.act_timeout_s = 0.2
        return doser

    return make_one


def head(lot: str, *more: str) -> list[str]:
    """What the chip of a head says."""
    xml = [f"<Info_head><Substance>{lot}</Substance>", f"<Lot_ID>{lot}</Lot_ID>", *more, "</Info_head>"]
    return ["QRD 2 4 11 B", *xml, "QRD 2 4 11 A"]


# ---------------------------------------------------------------- which powder


def test_a_head_with_another_lot_than_the_lab_file_has_is_not_dosed_from(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    doser = make(heads={1: "TiO2-lot3", 2: "BaO2-lot2"})
    error = end_of(clock, doser.set("dose", **DOSE))
    assert isinstance(error, RefusedError)
    assert str(error).startswith(
        "doser-1: the head that is on holds lot 'BaCO3-lot7', meant is 'BaO2-lot2' or 'TiO2-lot3'"
    )
    assert balance.told() == []


def test_a_head_with_another_lot_than_was_asked_for_is_not_dosed_from(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    doser = make(heads={1: "BaCO3-lot7", 2: "TiO2-lot3"})
    error = end_of(clock, doser.set("dose", **DOSE, lot="TiO2-lot3"))
    assert "holds lot 'BaCO3-lot7', meant is 'TiO2-lot3'" in str(error)
    assert end_of(clock, doser.set("dose", **DOSE, lot="BaCO3-lot7")) is None


def test_the_head_is_read_before_each_dosing(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make(heads={1: "BaCO3-lot7"})
    assert doser.identify() == "Quantos B021"
    assert doser.head_lot.get() == "BaCO3-lot7"
    balance.answers["QRD 2 4 11"] = head("TiO2-lot3")
    assert "holds lot 'TiO2-lot3'" in str(end_of(clock, doser.set("dose", **DOSE)))


def test_a_head_tells_what_is_left_in_it(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    more = ("<Rem._dosages>231</Rem._dosages>", '<Rem._quantity Unit="mg">85.5</Rem._quantity>', "<Head_ID>7</Head_ID>")
    balance.answers["QRD 2 4 11"] = head("BaCO3-lot7", *more)
    assert end_of(clock, doser.set("head-info")) is None
    assert (doser.head_left_dosages.get(), doser.head_left_mg.get(), doser.head_id.get()) == (231.0, 85.5, "7")


def test_a_head_without_dosages_is_not_dosed_from(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    balance.answers["QRD 2 4 11"] = head("BaCO3-lot7", "<Rem._dosages>0</Rem._dosages>")
    assert "has no dosages left: refill or replace it" in str(end_of(clock, doser.set("dose", **DOSE)))
    assert balance.told() == []


def test_an_instrument_without_a_head_is_known_all_the_same(make: Make, balance: Balance) -> None:
    doser = make()
    balance.answers["QRD 2 4 11"] = ["QRD 2 4 11 I 1"]
    assert doser.identify() == "Quantos B021"
    assert doser.head_lot.get() == ""
    assert math.isnan(float(doser.head_left_mg.get()))


def test_a_line_that_is_lost_within_the_data_of_a_head_has_them_read_again(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    doser = make()
    doser.identify()
    replies = [["QRD 2 4 11 B", HEAD[0], "QRD 2 4 11 A"]]
    original = balance.respond

    def respond(line: str) -> list[str]:
        return replies.pop() if line == "QRD 2 4 11" and replies else original(line)

    assert balance.far is not None
    balance.far._answer = by_line(respond)
    assert end_of(clock, doser.set("head-info")) is None
    assert doser.head_lot.get() == "BaCO3-lot7"


# ---------------------------------------------------------------- how much


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda b: setattr(b, "record_off_mg", 5.0), "its record says 597.00 mg"),
        (lambda b: setattr(b, "sample", "S000"), "its record is of sample S000, meant was S001"),
        (lambda b: setattr(b, "target_mg", 59.2), "its record is of target 59.20, meant was 592.00"),
    ],
)
def test_a_record_that_is_not_of_this_dosing_is_not_believed(
    make: Make, balance: Balance, clock: JumpClock, spoil: Callable[[Balance], None], said: str
) -> None:
    doser = make()
    status = doser.set("dose", **DOSE)
    clock.sleep_until(clock.now() + 20.0)
    spoil(balance)
    error = end_of(clock, status)
    assert isinstance(error, ActionFailedError)
    assert "doser-1: the dosing ended; 592.00 mg were found on the pan; " in str(error)
    assert said in str(error)
    assert math.isnan(float(doser.dosed_mg.get()))
    assert doser.net_mg.get() == 592.0


@pytest.mark.parametrize("code", [3, 7])
def test_a_dosing_that_ends_badly_tells_what_has_fallen(
    make: Make, balance: Balance, clock: JumpClock, code: int
) -> None:
    doser = make()
    balance.dosing_end, balance.poured = f"QRA 61 1 I {code}", 0.25
    error = end_of(clock, doser.set("dose", **DOSE))
    assert f"(I {code}); 148.00 mg were found on the pan" in str(error)
    assert balance.told().count("QRA 61 1") == 1


def test_a_start_that_is_acknowledged_by_nobody_is_waited_for_and_not_repeated(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    """The B is lost, and powder falls all the same."""
    doser = make()
    original = balance.respond

    def once(line: str) -> list[str]:
        reply = original(line)
        return reply[1:] if line == "QRA 61 1" else reply

    assert balance.far is not None
    balance.far._answer = by_line(once)
    assert end_of(clock, doser.set("dose", **DOSE)) is None
    assert balance.told().count("QRA 61 1") == 1
    assert doser.dosed_mg.get() == 592.0


def test_a_dosing_whose_end_nobody_heard_is_settled_by_its_record_and_its_balance(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    doser = make(dosing_within=120.0)
    balance.dosing_end, balance.poured = None, 1.001
    balance.answers["QRA 61 4"] = ["QRA 61 4 B", "QRA 61 4 A"]
    assert end_of(clock, doser.set("dose", **DOSE)) is None
    assert balance.told().count("QRA 61 1") == 1
    assert doser.dosed_mg.get() == pytest.approx(592.59, abs=0.01)


def test_an_instrument_that_is_at_another_job_does_not_begin_and_is_not_asked_again(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    doser = make()
    balance.answers["QRA 61 1"] = ["QRA 61 1 I 2"]
    error = end_of(clock, doser.set("dose", **DOSE))
    assert "another job is running (I 2); 0.00 mg were found on the pan" in str(error)
    assert balance.told().count("QRA 61 1") == 1


def test_an_instrument_that_was_switched_off_while_it_dosed_is_told_at_once(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    doser = make()
    balance.dosing_end = None
    status = doser.set("dose", **DOSE)
    clock.sleep_until(clock.now() + 10.0)
    assert balance.far is not None
    balance.tare_mg = 0.0
    balance.answers["QRD 2 4 12"] = ["QRD 2 4 12 I 1"]
    balance.far.say(b'I4 A "B021"\r\n')
    error = end_of(clock, status, within_s=30.0)
    assert "doser-1: was switched off and on during QRA 61 1, and the mass is unknown" in str(error)
    assert "weigh it before anything else is dosed" in str(error)


def test_a_stopped_dosing_that_never_says_how_it_ended_is_weighed(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    doser = make()
    balance.dosing_end, balance.poured = None, 0.5
    balance.answers["QRA 61 4"] = ["QRA 61 4 B", "QRA 61 4 A"]
    status = doser.set("dose", **DOSE)
    clock.sleep_until(clock.now() + 10.0)
    assert end_of(clock, doser.set("stop-dosing"), within_s=1.0) is None
    error = end_of(clock, status, within_s=60.0)
    assert "QRA 61 1 was stopped, and did not say how it ended in 30 s; 296.00 mg were found" in str(error)


def test_a_tare_whose_reply_was_lost_is_asked_for_before_anything_is_dosed(
    make: Make, balance: Balance, clock: JumpClock
) -> None:
    doser = make()
    balance.pan_mg = 12_500.0
    original = balance.respond

    def respond(line: str) -> list[str]:
        reply = original(line)
        return [] if line == "T" else reply

    assert balance.far is not None
    balance.far._answer = by_line(respond)
    assert end_of(clock, doser.set("dose", **DOSE)) is None
    assert balance.told().count("T") == 1
    assert balance.told().index("@") < balance.told().index("QRA 61 1")


def test_a_tare_that_was_lost_spoils_a_weighing(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    balance.pan_mg = 12_500.0
    assert end_of(clock, doser.set("tare")) is None
    balance.tare_mg = 0.0
    error = end_of(clock, doser.set("weigh"))
    assert "the tare was 1.25e+04 mg and is 0 mg, which nobody asked for" in str(error)


# ---------------------------------------------------------------- settings, doors, sampler, pan


def test_settings_of_the_lab_file_are_sent_before_every_dosing(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make(
        tap_before=1,
        tap_while=0,
        tap_intensity=60,
        tap_time=3,
        algorithm=1,
        antistatic=1,
        tolerance_mode=1,
        user_id="me",
    )
    assert end_of(clock, doser.set("dose", **DOSE)) is None
    assert balance.told()[: balance.told().index("T")] == [
        "QRD 1 1 5 592.00",
        "QRD 1 1 6 0.1",
        "QRD 1 1 7 1",
        "QRD 1 1 8 S001",
        "QRD 1 1 1 1",
        "QRD 1 1 2 0",
        "QRD 1 1 3 60",
        "QRD 1 1 4 3",
        "QRD 1 1 14 1",
        "QRD 1 1 15 1",
        "QRD 1 1 13 me",
    ]


def test_a_setting_that_cannot_be_is_told_when_the_lab_is_put_up(make: Make) -> None:
    with pytest.raises(
        LimitError, match=r"doser-1: tap_intensity is 5, Quantos takes 10 to 100 .options in the lab file."
    ):
        make(tap_intensity=5)


def test_a_setting_that_meets_another_job_is_sent_again(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    doser.identify()
    line = "QRD 1 1 5 592.00"
    replies = [["QRD 1 1 5 I 2"], ["QRD 1 1 5 I 2"], []]
    original = balance.respond

    def respond(heard: str) -> list[str]:
        reply = original(heard)
        return replies.pop(0) if heard == line and replies else reply

    assert balance.far is not None
    balance.far._answer = by_line(respond)
    assert end_of(clock, doser.set("dose", **DOSE)) is None
    assert balance.told().count(line) == 4


def test_a_motion_that_meets_another_job_waits_for_it(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    replies = [["QRA 60 7 I 2"]] * 3
    original = balance.respond

    def respond(heard: str) -> list[str]:
        return replies.pop() if heard == "QRA 60 7 3" and replies else original(heard)

    assert balance.far is not None
    balance.far._answer = by_line(respond)
    assert end_of(clock, doser.set("open-door")) is None
    assert 6 <= clock.now() - JUMP_EPOCH_S <= 20


def test_a_door_whose_end_was_not_heard_is_looked_at(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    original = balance.respond

    def respond(heard: str) -> list[str]:
        if heard == "QRA 60 7 3":
            balance.door = "3"
            return ["QRA 60 7 B"]
        return original(heard)

    assert balance.far is not None
    balance.far._answer = by_line(respond)
    assert end_of(clock, doser.set("open-door")) is None
    assert doser.door.get() == "open"


def test_a_door_that_did_not_arrive_is_told(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    balance.answers["QRD 2 3 7"] = ["QRD 2 3 7 9 A"]
    error = end_of(clock, doser.set("open-door"))
    assert str(error) == "doser-1: said that its door is open, and it is moving"
    assert doser.door.get() == "moving"


def test_a_door_that_cannot_be_detected_is_believed(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    balance.answers["QRD 2 3 7"] = ["QRD 2 3 7 8 A"]
    assert end_of(clock, doser.set("open-door")) is None
    assert doser.door.get() == "unknown"


def test_the_autosampler_is_moved_and_looked_at(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    look_at(doser)
    assert doser.sampler.get() == "home"
    assert end_of(clock, doser.set("move-sampler", position=12)) is None
    assert (balance.told(), doser.sampler.get()) == (["QRA 60 8 12"], "12")
    with pytest.raises(LimitError, match=r"doser-1: position 31 of the autosampler requested"):
        doser.set("move-sampler", position=31)


def test_a_blocked_autosampler_is_told(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    balance.answers["QRA 60 8 12"] = ["QRA 60 8 B", "QRA 60 8 I 13"]
    assert "QRA 60 8 12: sampler blocked (I 13)" in str(end_of(clock, doser.set("move-sampler", position=12)))


def test_a_doser_without_autosampler_says_so(make: Make, balance: Balance) -> None:
    doser = make()
    balance.answers["QRD 2 2 8"] = ["QRD 2 2 8 0 A"]
    look_at(doser)
    assert doser.sampler.get() == "none"


def test_the_pan_is_looked_at_and_declared_empty(make: Make, balance: Balance, clock: JumpClock) -> None:
    doser = make()
    balance.pan_mg = 12_500.0
    look_at(doser)
    assert doser.pan.get() == "loaded"
    balance.answers["QRD 2 2 9"] = ["QRD 2 2 9 0 A"]
    assert end_of(clock, doser.set("declare-pan-empty")) is None
    assert balance.told() == ["QRD 1 1 9 0"]
    assert doser.pan.get() == "empty"


def test_a_model_that_knows_no_pan_is_looked_at_all_the_same(make: Make, balance: Balance) -> None:
    doser = make()
    balance.answers |= {"QRD 2 2 9": ["QRD 2 2 L"], "QRD 2 2 8": ["ES"]}
    look_at(doser)
    assert (doser.comm_ok.get(), doser.door.get(), doser.pan.get(), doser.sampler.get()) == (
        1,
        "closed",
        "unknown",
        "unknown",
    )


# ---------------------------------------------------------------- who is there


def test_another_quantos_behind_the_address_is_told(make: Make, balance: Balance) -> None:
    doser = make()
    doser.identify()
    balance.answers["I4"] = ['I4 A "B999"']
    with pytest.raises(WrongInstrumentError, match=r"doser-1: balance B999 answers at .*, and B021 is meant"):
        doser.identify()


def test_an_instrument_that_is_at_another_job_is_still_a_quantos(make: Make, balance: Balance) -> None:
    doser = make()
    balance.answers["QRD 2 3 7"] = ["QRD 2 3 7 I 2"]
    assert doser.identify() == "Quantos B021"


def test_silence_leaves_nothing_known(make: Make, balance: Balance) -> None:
    doser = make()
    look_at(doser)
    assert balance.far is not None
    balance.far._answer = by_line(lambda line: [])
    look_at(doser)
    assert doser.comm_ok.get() == 0
    assert {doser.door.get(), doser.pan.get(), doser.sampler.get()} == {"unknown"}
