from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lab.errors import LabError
from lab.safety.alarms.book import HISTORY, LONGEST_SHELF_S, AlarmBook
from lab.safety.alarms.file import LONGEST_BYTES, AlarmFile
from lab.safety.alarms.flood import FLOOD_S
from lab.safety.alarms.states import NEXT, Alarm, AlarmError, Change, Priority, State, from_json

HOUR_S = 3600.0


class Time:
    def __init__(self, s: float = 1000.0) -> None:
        self.s = s

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Time:
    return Time()


@pytest.fixture
def book(now: Time) -> AlarmBook:
    return AlarmBook(now)


@pytest.fixture
def told(book: AlarmBook) -> list[tuple[str, str]]:
    """What a subscriber hears: change and key."""
    heard: list[tuple[str, str]] = []
    book.subscribe(lambda change, alarm: heard.append((change.value, alarm.key)))
    return heard


def raised(book: AlarmBook, key: str = "water", priority: str = "high", **fields: Any) -> Alarm:
    given = {"text": f"{key} is low", "guidance": "open the tap", "source": "supervisor", **fields}
    return book.raise_(key, priority=priority, **given)


def standing(book: AlarmBook, key: str = "water") -> Alarm:
    alarm = book.get(key)
    assert alarm is not None
    return alarm


def shown(book: AlarmBook) -> dict[str, str]:
    return {alarm.key: alarm.shown for alarm in book.list()}


# -- the life of an alarm


def test_every_state_has_an_answer_to_every_event() -> None:
    assert set(NEXT) == {(state, event) for state in State for event in ("raise", "acknowledge", "clear")}


def test_only_what_is_both_acknowledged_and_cleared_becomes_normal() -> None:
    left = {(state, event) for (state, event), after in NEXT.items() if after is State.NORMAL}
    assert left - {(State.NORMAL, "clear"), (State.NORMAL, "acknowledge")} == {
        (State.ACKNOWLEDGED, "clear"),
        (State.RETURNED, "acknowledge"),
    }


@pytest.mark.parametrize("order", [("acknowledge", "clear"), ("clear", "acknowledge")])
def test_an_alarm_leaves_the_list_when_it_is_acknowledged_and_cleared_in_any_order(
    book: AlarmBook, order: tuple[str, str]
) -> None:
    raised(book)
    for event in order:
        assert [alarm.key for alarm in book.list()] == ["water"]
        if event == "clear":
            book.clear("water")
        else:
            book.acknowledge("water", "ada")
    assert book.list() == ()
    assert [alarm.key for alarm in book.list(include_history=True)] == ["water"]


def test_an_alarm_tells_who_did_what_when(book: AlarmBook, now: Time) -> None:
    raised(book)
    now.s = 1010.0
    book.clear("water")
    now.s = 1030.0
    book.acknowledge("water", "ada")
    alarm = standing(book)
    assert (alarm.raised_at_s, alarm.cleared_at_s, alarm.acknowledged_at_s) == (1000.0, 1010.0, 1030.0)
    assert (alarm.acknowledged_by, alarm.state, alarm.raises) == ("ada", State.NORMAL, 1)


def test_a_cause_that_goes_on_is_told_once_with_its_newest_text(
    book: AlarmBook, now: Time, told: list[tuple[str, str]]
) -> None:
    for i in range(5):
        now.s += 1
        raised(book, text=f"flow is {i} L/min")
    assert told == [("raised", "water")]
    assert (standing(book).text, standing(book).raises, standing(book).raised_at_s) == ("flow is 4 L/min", 1, 1001.0)


def test_an_acknowledged_cause_that_goes_on_stays_acknowledged(book: AlarmBook) -> None:
    raised(book)
    book.acknowledge("water", "ada")
    raised(book)
    assert shown(book) == {"water": "acknowledged"}


def test_a_cause_that_comes_back_needs_somebody_again(book: AlarmBook, told: list[tuple[str, str]]) -> None:
    raised(book)
    book.clear("water")
    assert shown(book) == {"water": "returned"}
    raised(book)
    assert (shown(book), standing(book).raises) == ({"water": "unacknowledged"}, 2)
    assert [change for change, _ in told] == ["raised", "cleared", "raised"]


def test_an_alarm_that_becomes_worse_must_be_acknowledged_again(book: AlarmBook, told: list[tuple[str, str]]) -> None:
    raised(book, priority="medium")
    book.acknowledge("water", "ada")
    raised(book, priority="critical")
    alarm = standing(book)
    assert (alarm.priority, alarm.state, alarm.acknowledged_by) == (Priority.CRITICAL, State.UNACKNOWLEDGED, None)
    assert [change for change, _ in told] == ["raised", "acknowledged", "raised"]


def test_priority_only_rises_until_the_alarm_is_over(book: AlarmBook) -> None:
    raised(book, priority="critical")
    book.clear("water")
    raised(book, priority="low")
    assert standing(book).priority == "critical"
    book.acknowledge("water", "ada")
    book.clear("water")
    raised(book, priority="low")
    assert standing(book).priority == "low"


def test_clearing_or_acknowledging_twice_changes_nothing(book: AlarmBook, told: list[tuple[str, str]]) -> None:
    book.clear("water")
    raised(book)
    book.clear("water")
    book.clear("water")
    book.acknowledge("water", "ada")
    book.acknowledge("water", "ben")
    assert told == [("raised", "water"), ("cleared", "water"), ("acknowledged", "water")]
    assert standing(book).acknowledged_by == "ada"


def test_only_who_raised_an_alarm_clears_it_where_a_source_is_named(book: AlarmBook) -> None:
    raised(book)
    with pytest.raises(AlarmError, match="water was raised by supervisor: lab cannot clear it"):
        book.clear("water", source="lab")
    book.clear("water", source="supervisor")
    assert shown(book) == {"water": "returned"}


def test_an_alarm_that_comes_and_goes_chatters(book: AlarmBook, now: Time) -> None:
    for i in range(3):
        now.s = 1000.0 + 20 * i
        raised(book)
        assert standing(book).chattering is (i == 2)
        book.clear("water")
    now.s = 5000.0
    raised(book)
    assert (standing(book).chattering, standing(book).raises) == (False, 4)


# -- first out


def test_the_first_latched_alarm_is_marked_until_all_are_over(book: AlarmBook) -> None:
    raised(book, "disk", "low")
    raised(book, "trip:A", "critical", latched=True)
    raised(book, "trip:B", "critical", latched=True)
    assert [alarm.key for alarm in book.list() if alarm.first_out] == ["trip:A"]
    book.clear("trip:A")
    assert standing(book, "trip:A").first_out
    book.acknowledge("trip:A", "ada")
    assert not standing(book, "trip:A").first_out
    # B still stands: what comes now did not come first.
    raised(book, "trip:C", "critical", latched=True)
    assert not standing(book, "trip:C").first_out
    for key in ("trip:B", "trip:C"):
        book.clear(key)
        book.acknowledge(key, "ada")
    raised(book, "trip:D", "critical", latched=True)
    assert standing(book, "trip:D").first_out


# -- shelving and out of service


def test_a_shelved_alarm_is_listed_but_counts_no_more_until_its_time_is_over(
    book: AlarmBook, now: Time, told: list[tuple[str, str]]
) -> None:
    raised(book)
    book.shelve("water", "ada", HOUR_S, "the pump is being exchanged")
    assert shown(book) == {"water": "shelved"}
    assert (book.active(), book.summary()["unacknowledged"], book.summary()["shelved"]) == ((), 0, 1)
    now.s += HOUR_S - 1
    assert shown(book) == {"water": "shelved"}
    now.s += 1
    assert shown(book) == {"water": "unacknowledged"}
    assert [change for change, _ in told] == ["raised", "shelved", "unshelved"]


def test_the_life_of_a_shelved_alarm_goes_on_below(book: AlarmBook, now: Time) -> None:
    raised(book)
    book.shelve("water", "ada", HOUR_S, "known")
    book.clear("water")
    assert shown(book) == {"water": "shelved"}
    now.s += HOUR_S
    assert shown(book) == {"water": "returned"}


def test_an_alarm_that_becomes_worse_comes_off_the_shelf(book: AlarmBook) -> None:
    raised(book, priority="medium")
    book.shelve("water", "ada", HOUR_S, "known")
    raised(book, priority="medium")
    assert shown(book) == {"water": "shelved"}
    raised(book, priority="critical")
    assert shown(book) == {"water": "unacknowledged"}


def test_somebody_can_take_an_alarm_off_the_shelf(book: AlarmBook, told: list[tuple[str, str]]) -> None:
    raised(book)
    book.shelve("water", "ada", HOUR_S, "known")
    book.unshelve("water", "ben")
    book.unshelve("water", "ben")
    assert shown(book) == {"water": "unacknowledged"}
    assert [change for change, _ in told] == ["raised", "shelved", "unshelved"]


@pytest.mark.parametrize("for_s", [0.0, -1.0, LONGEST_SHELF_S + 1, float("inf"), float("nan")])
def test_nothing_is_shelved_for_longer_than_a_shift(book: AlarmBook, for_s: float) -> None:
    raised(book)
    with pytest.raises(AlarmError, match="at most 8 h are allowed"):
        book.shelve("water", "ada", for_s, "known")
    assert shown(book) == {"water": "unacknowledged"}


def test_a_clock_that_is_set_back_ends_shelving(book: AlarmBook, now: Time) -> None:
    raised(book)
    book.shelve("water", "ada", HOUR_S, "known")
    now.s -= 10.0
    assert shown(book) == {"water": "unacknowledged"}


def test_an_alarm_out_of_service_stays_out_until_it_is_put_back(book: AlarmBook, now: Time) -> None:
    raised(book)
    book.take_out("water", "ada", "the sensor is broken")
    book.clear("water")
    raised(book, priority="critical")
    now.s += 1e6
    alarm = standing(book)
    assert (alarm.shown, alarm.out_by, alarm.out_reason) == ("out-of-service", "ada", "the sensor is broken")
    assert (book.summary()["active"], book.summary()["out_of_service"]) == (0, 1)
    book.put_back("water", "ben")
    assert shown(book) == {"water": "unacknowledged"}


def test_what_is_hidden_is_listed_even_when_its_cause_is_gone(book: AlarmBook) -> None:
    raised(book)
    book.acknowledge("water", "ada")
    book.clear("water")
    book.take_out("water", "ada", "the sensor is broken")
    assert shown(book) == {"water": "out-of-service"}


def test_hiding_needs_a_reason(book: AlarmBook) -> None:
    raised(book)
    with pytest.raises(AlarmError, match="there is no reason"):
        book.shelve("water", "ada", 60.0, " ")
    with pytest.raises(AlarmError, match="there is no reason"):
        book.take_out("water", "ada", " ")
    assert shown(book) == {"water": "unacknowledged"}


# -- sentences


def test_an_unknown_alarm_is_told_with_those_that_there_are(book: AlarmBook) -> None:
    raised(book)
    with pytest.raises(AlarmError, match="no alarm is named 'watr': there are water") as error:
        book.acknowledge("watr", "ada")
    assert isinstance(error.value, LabError)


def test_nobody_cannot_acknowledge(book: AlarmBook) -> None:
    raised(book)
    with pytest.raises(AlarmError, match="nobody was named"):
        book.acknowledge("water", " ")


def test_an_alarm_without_guidance_or_with_a_strange_priority_is_refused(book: AlarmBook) -> None:
    with pytest.raises(AlarmError, match="has no guidance"):
        raised(book, guidance=" ")
    with pytest.raises(AlarmError, match="priority is 'urgent', and must be low, medium, high, critical"):
        raised(book, priority="urgent")
    assert book.list() == ()


# -- lists


def test_the_list_begins_with_what_needs_somebody_then_the_worst_then_the_oldest(book: AlarmBook, now: Time) -> None:
    for key, priority in [("a", "low"), ("b", "critical"), ("c", "high"), ("d", "high"), ("e", "critical")]:
        now.s += 1
        raised(book, key, priority)
    book.acknowledge("b", "ada")
    book.shelve("e", "ada", 60.0, "known")
    assert [alarm.key for alarm in book.list()] == ["c", "d", "a", "b", "e"]


def test_the_summary_counts_what_is_not_hidden(book: AlarmBook) -> None:
    assert book.summary() == {
        "active": 0,
        "unacknowledged": 0,
        "worst": None,
        "shelved": 0,
        "out_of_service": 0,
        "flood": None,
    }
    for key, priority in [("a", "low"), ("b", "medium"), ("c", "high"), ("d", "critical")]:
        raised(book, key, priority)
    book.acknowledge("a", "ada")
    book.clear("c")
    book.shelve("d", "ada", 60.0, "known")
    summary = book.summary()
    assert (summary["active"], summary["unacknowledged"], summary["worst"], summary["shelved"]) == (2, 2, "high", 1)


def test_an_alarm_goes_to_json_and_back(book: AlarmBook) -> None:
    raised(book, latched=True)
    book.shelve("water", "ada", 60.0, "known")
    alarm = standing(book)
    data = json.loads(json.dumps(alarm.to_json()))
    assert (data["shown"], data["priority"], data["state"]) == ("shelved", "high", "unacknowledged")
    assert from_json(data) == alarm


def test_what_is_over_is_forgotten_when_there_is_too_much_of_it(book: AlarmBook, now: Time) -> None:
    raised(book, "kept")
    for i in range(HISTORY + 50):
        now.s += 1000
        raised(book, f"a{i}")
        book.acknowledge(f"a{i}", "ada")
        book.clear(f"a{i}")
    known = [alarm.key for alarm in book.list(include_history=True)]
    assert (len(known), "kept" in known, "a49" in known, "a50" in known) == (HISTORY + 1, True, False, True)


# -- floods


def flood(book: AlarmBook, count: int) -> None:
    for i in range(count):
        raised(book, f"alarm-{i}", source="furnace-1" if i % 3 else "water")


def test_more_than_ten_new_alarms_in_ten_minutes_are_a_flood(book: AlarmBook) -> None:
    flood(book, 10)
    assert book.flood() is None
    raised(book, "alarm-10", source="gas")
    found = book.flood()
    assert found is not None
    assert str(found) == (
        "11 new alarms in 10 minutes; the first: alarm-0 is low; most from furnace-1 (6), water (4), gas (1)"
    )
    assert book.summary()["flood"] == str(found)


def test_a_flood_is_over_when_few_are_left_to_look_at(book: AlarmBook) -> None:
    flood(book, 12)
    for i in range(7):
        book.acknowledge(f"alarm-{i}", "ada")
    remaining = book.flood()
    assert remaining is not None
    assert (remaining.count, remaining.first) == (5, "alarm-0 is low")
    book.acknowledge("alarm-7", "ada")
    assert book.flood() is None


def test_a_flood_is_over_when_nothing_new_comes_for_ten_minutes(book: AlarmBook, now: Time) -> None:
    flood(book, 12)
    now.s += FLOOD_S - 1
    assert book.flood() is not None
    now.s += 1
    assert book.flood() is None


def test_one_alarm_that_chatters_is_no_flood(book: AlarmBook, now: Time) -> None:
    for _ in range(30):
        now.s += 1
        raised(book)
        book.clear("water")
    assert book.flood() is None


# -- subscribers


def test_a_subscriber_may_use_the_book(book: AlarmBook) -> None:
    def answer(change: Change, alarm: Alarm) -> None:
        if alarm.key == "water" and change is Change.RAISED:
            raised(book, "pump", "low")

    book.subscribe(answer)
    raised(book)
    assert sorted(shown(book)) == ["pump", "water"]


def test_changes_made_by_threads_are_told_in_the_order_in_which_they_were_made(book: AlarmBook) -> None:
    heard: dict[str, list[str]] = {}
    book.subscribe(lambda change, alarm: heard.setdefault(alarm.key, []).append(alarm.state.value))

    def come_and_go(key: str) -> None:
        for _ in range(30):
            raised(book, key)
            book.clear(key)
            book.acknowledge(key, "ada")

    threads = [threading.Thread(target=come_and_go, args=(f"a{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {f"a{i}": ["unacknowledged", "returned", "normal"] * 30 for i in range(4)}


def test_a_refusal_does_not_keep_other_changes_from_being_told(
    book: AlarmBook, now: Time, told: list[tuple[str, str]]
) -> None:
    raised(book)
    book.shelve("water", "ada", 60.0, "known")
    now.s += 60
    with pytest.raises(AlarmError):
        book.acknowledge("watr", "ada")
    assert told[-1] == ("unshelved", "water")


# -- over restarts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alarms.jsonl"


def test_a_latched_alarm_stands_over_a_restart_as_it_stood(path: Path, now: Time) -> None:
    book = AlarmBook(now, path)
    raised(book, latched=True)
    before = standing(book)
    again = AlarmBook(now, path)
    assert again.list() == (before,)
    assert before.first_out


def test_the_cause_of_another_counts_as_gone_and_somebody_must_still_see_it(path: Path, now: Time) -> None:
    book = AlarmBook(now, path)
    raised(book, "seen")
    raised(book, "unseen")
    book.acknowledge("seen", "ada")
    again = AlarmBook(now, path)
    assert shown(again) == {"unseen": "returned"}
    raised(again, "unseen")
    assert standing(again, "unseen").raises == 2


def test_shelving_goes_on_over_a_restart_until_its_time_is_over(path: Path, now: Time) -> None:
    book = AlarmBook(now, path)
    raised(book, latched=True)
    book.shelve("water", "ada", HOUR_S, "known")
    now.s += HOUR_S / 2
    assert shown(AlarmBook(now, path)) == {"water": "shelved"}
    now.s += HOUR_S / 2
    assert shown(AlarmBook(now, path)) == {"water": "unacknowledged"}


def test_what_is_out_of_service_stays_out_over_a_restart(path: Path, now: Time) -> None:
    book = AlarmBook(now, path)
    raised(book)
    book.take_out("water", "ada", "the sensor is broken")
    assert shown(AlarmBook(now, path)) == {"water": "out-of-service"}


def test_a_torn_last_line_is_left_out_and_the_next_one_stands_alone(path: Path, now: Time) -> None:
    raised(AlarmBook(now, path), latched=True)
    with path.open("ab") as file:
        file.write(b'{"t":10')
    book = AlarmBook(now, path)
    assert shown(book) == {"water": "unacknowledged"}
    raised(book, "pump", latched=True)
    again = AlarmBook(now, path)
    assert {"water", "pump"} <= set(shown(again))


def test_events_that_cannot_be_read_are_an_alarm(path: Path, now: Time) -> None:
    raised(AlarmBook(now, path), latched=True)
    with path.open("ab") as file:
        file.write(b'garbage\n{"alarm":{"key":"x"}}\n')
    book = AlarmBook(now, path)
    assert shown(book) == {"alarm-file": "unacknowledged", "water": "unacknowledged"}
    assert standing(book, "alarm-file").text.startswith(f"2 events in {path} could not be read")


def test_alarms_go_on_when_the_disk_takes_nothing(path: Path, now: Time) -> None:
    book = AlarmBook(now, path)
    path.mkdir()
    raised(book)
    assert shown(book) == {"water": "unacknowledged"}
    assert book.fault == f"{path}: alarms are not kept (Is a directory)"
    path.rmdir()
    book.acknowledge("water", "ada")
    assert book.fault is None


def test_a_disk_that_hangs_delays_nobody_who_looks(path: Path, now: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    book = AlarmBook(now, path)
    hangs, goes_on = threading.Event(), threading.Event()
    append = AlarmFile.append

    def hanging(file: AlarmFile, t_s: float, change: Change, alarm: Alarm) -> None:
        hangs.set()
        assert goes_on.wait(5)
        append(file, t_s, change, alarm)

    monkeypatch.setattr(AlarmFile, "append", hanging)
    writer = threading.Thread(target=raised, args=(book,))
    writer.start()
    assert hangs.wait(5)
    assert (book.summary()["active"], book.flood(), shown(book)) == (1, None, {"water": "unacknowledged"})
    raised(book, "pump")
    goes_on.set()
    writer.join()
    assert [json.loads(line)["alarm"]["key"] for line in path.read_text().splitlines()] == ["water", "pump"]


def test_a_file_that_has_grown_too_long_is_put_aside(path: Path, now: Time) -> None:
    book = AlarmBook(now, path)
    raised(book, latched=True)
    line = path.read_bytes()
    path.write_bytes(line * (LONGEST_BYTES // len(line) + 1))
    assert shown(AlarmBook(now, path)) == {"water": "unacknowledged"}
    assert path.stat().st_size < 2000
    assert path.with_suffix(".old.jsonl").stat().st_size > LONGEST_BYTES
    assert shown(AlarmBook(now, path)) == {"water": "unacknowledged"}


# -- nothing disappears unseen


KEYS = st.sampled_from(["a", "b", "c"])


class Unseen(RuleBasedStateMachine):
    """Keeps its own account of who must still look at what, and compares it with the book, restarts included."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Time()
        self.folder = _folder()
        self.path = next(self.folder) / "alarms.jsonl"
        self.book = AlarmBook(self.now, self.path)
        self.owed: set[str] = set()
        """Raised, and not acknowledged since."""
        self.there: dict[str, int] = {}
        """Causes that are there, with the highest rank since nobody owed anything."""

    def teardown(self) -> None:
        self.folder.close()  # type: ignore[attr-defined]

    @rule(key=KEYS, priority=st.sampled_from(list(Priority)), latched=st.booleans())
    def raise_one(self, key: str, priority: Priority, latched: bool) -> None:
        before = self.book.get(key)
        worse = before is not None and before.state is not State.NORMAL and priority.rank > before.priority.rank
        if key not in self.there or worse:
            self.owed.add(key)
        self.there[key] = priority.rank
        raised(self.book, key, priority, latched=latched)

    @rule(key=KEYS)
    def clear_one(self, key: str) -> None:
        self.there.pop(key, None)
        self.book.clear(key)

    @rule(key=KEYS)
    def acknowledge_one(self, key: str) -> None:
        if self.book.get(key) is not None:
            self.owed.discard(key)
            self.book.acknowledge(key, "ada")

    @rule(key=KEYS, for_s=st.floats(1.0, LONGEST_SHELF_S))
    def shelve_one(self, key: str, for_s: float) -> None:
        if self.book.get(key) is not None:
            self.book.shelve(key, "ada", for_s, "known")

    @rule(key=KEYS, out=st.booleans())
    def out_or_in(self, key: str, out: bool) -> None:
        if self.book.get(key) is not None:
            if out:
                self.book.take_out(key, "ada", "broken")
            else:
                self.book.put_back(key, "ada")

    @rule(step_s=st.floats(0.0, LONGEST_SHELF_S))
    def time_passes(self, step_s: float) -> None:
        self.now.s += step_s

    @rule()
    def restart(self) -> None:
        self.book = AlarmBook(self.now, self.path)
        self.there = {key: rank for key, rank in self.there.items() if standing(self.book, key).active}

    @invariant()
    def nothing_is_missing(self) -> None:
        listed = {alarm.key: alarm for alarm in self.book.list()}
        assert self.owed <= set(listed)
        assert set(self.there) <= set(listed)
        assert {key for key, alarm in listed.items() if alarm.unacknowledged} == self.owed
        assert all(listed[key].priority.rank >= rank for key, rank in self.there.items())


def _folder() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


TestNothingDisappearsUnseen = Unseen.TestCase
TestNothingDisappearsUnseen.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
