from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from drivers.clock import JumpClock
from lab.records.journal import Journal, JournalError
from lab.records.state import events as e
from lab.records.state import store, tables
from lab.records.state.budget import amount_of
from lab.records.state.database import open_engine, url_of
from lab.records.state.errors import RefusedError, StateError
from lab.records.state.looks import looking, what_is_at
from lab.records.state.store import State
from tests.lab.state_bases import Book, crucible, everything, into, lot, portion


def amount(state: State) -> float | None:
    with state.reading() as look:
        return amount_of(look, "TiO2-lot3")


USE = e.StockUsed(stock="TiO2-lot3", amount=1.0)


class TestFollowingTheJournal:
    def test_entries_are_applied_once(self, book: Book) -> None:
        book.tell(lot(), USE, USE)
        assert book.state.catch_up() == 0
        assert book.again().applied == 3
        assert amount(book.state) == 998.0

    def test_what_was_not_kept_is_caught_up(self, book: Book, new_base: Callable[[], str]) -> None:
        book.tell(lot(), crucible(), portion(place=into("C-1")))
        book.state.commit()
        book.journal.write("note", text="not of the state, and numbered all the same")
        read = e.BarcodeRead(position="shelf/1", expected="C-1", found=None)
        book.tell(USE, e.WareMoved(ware="C-1", source="shelf/1", to="furnace-1/1"), read)
        book.tell(e.LeaseTaken(lease="l1", station="furnace-1", holder="t1"))
        before = everything(book.state)
        book.crash()
        with looking(book.url) as look:
            assert look.execute(select(tables.LAB.c.applied)).scalar() == 3
        book.open()
        assert book.state.applied == 8
        assert everything(book.state) == before
        # A new database becomes the same from the journal alone.
        with State(new_base(), book.journal) as other:
            assert everything(other) == before

    def test_what_is_no_event_only_counts(self, book: Book) -> None:
        book.journal.write("task-failed", task="dose")
        assert book.state.catch_up() == 0
        assert book.again().applied == 1

    def test_rows_say_who_when_and_by_which_entry(self, book: Book) -> None:
        book.journal.write("opened", lab="powder-1")
        book.clock.sleep_until(160.5)
        book.tell(crucible(), actor="ada")
        with book.state.reading() as look:
            row = look.execute(select(tables.WARES)).one()
        assert (row.world, row.actor, row.at_s, row.n) == ("simulated", "ada", 160.5, 2)

    def test_an_event_that_cannot_be_stops_catching_up_and_keeps_those_before(self, book: Book) -> None:
        book.tell(lot(), USE)
        book.journal.write("stock.used", stock="TiO2-lot3", amount=5.0)
        book.journal.write("stock.used", stock="TiO2-lot3", amount=5000.0)
        with pytest.raises(RefusedError, match=r"journal entry 4, stock.used: TiO2-lot3: 5000 mg asked for"):
            book.state.catch_up()
        assert amount(book.state) == 994.0
        with pytest.raises(RefusedError, match="journal entry 4"):
            book.again()
        with looking(book.url) as look:
            assert amount_of(look, "TiO2-lot3") == 994.0

    def test_another_journal_is_noticed(self, book: Book) -> None:
        book.tell(lot(), USE)
        first, second = book.entries
        book.close()
        book.rewrite([first])
        with pytest.raises(StateError, match="has the journal's entries up to 2, and this journal ends with 1"):
            book.open()
        book.rewrite([first, {**second, "amount": 2.0}])
        with pytest.raises(StateError, match="was made from another journal, entry 2"):
            book.open()
        book.rewrite([first, second])
        book.open()

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"n": 2**31}, "its number must be between"),
            ({"n": -1}, "its number must be between"),
            ({"t": float("inf")}, "its time is inf"),
            ({"world": "dream"}, "its world is 'dream'"),
            ({"world": "real"}, "is of a real laboratory, and the state of .* is simulated"),
            ({"actor": ""}, "its actor is ''"),
            ({"amount": "much"}, r"stock.used amount: .*\(read: 'much'\)"),
            ({"amount": float("nan")}, "amount: Input should be"),
            ({"colour": "red"}, "stock.used colour: Extra inputs"),
            ({"kind": "stock.stolen"}, "kind 'stock.stolen' is not known to this version"),
        ],
    )
    def test_a_wrong_entry_is_a_sentence(self, book: Book, change: dict[str, Any], match: str) -> None:
        book.tell(lot())
        entry = {"n": 2, "t": 1.0, "world": "simulated", "actor": "auto", "kind": "stock.used", **USE.fields()}
        book.rewrite([*book.entries, {**entry, **change}])
        with pytest.raises(StateError, match=match):
            book.state.catch_up()
        assert book.state.applied == 1
        assert amount(book.state) == 1000.0


class TestRecording:
    def test_many_threads_record_in_the_order_of_the_journal(self, book: Book) -> None:
        book.tell(lot(amount=50.0))
        refusals: list[str] = []

        def use() -> None:
            for i in range(20):
                book.journal.write("note", text=f"something else {i}")
                try:
                    book.tell(USE)
                except RefusedError as error:
                    refusals.append(str(error))

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(book.entries), len(refusals), amount(book.state)) == (131, 30, 0.0)
        before = everything(book.state)
        assert everything(book.again()) == before

    def test_a_journal_that_fails_leaves_the_state_to_catch_up(
        self, book: Book, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        book.tell(lot())

        def broken(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr("os.fdatasync", broken)
            with pytest.raises(JournalError, match="entry 2 was not written"):
                book.state.record(USE, durable=True)
        with pytest.raises(StateError, match="must catch up from the journal first"):
            book.tell(USE)
        # It was written after all.
        assert book.state.catch_up() == 2
        book.tell(USE)
        assert amount(book.state) == 998.0

    def test_the_journal_is_on_the_disk_before_the_state(self, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
        book.tell(lot())
        seen: list[object] = []

        def looked() -> None:
            with looking(book.url) as look:
                seen.append(amount_of(look, "TiO2-lot3"))

        book.state.commit()
        monkeypatch.setattr(book.journal, "sync", looked)
        book.tell(USE)
        book.state.commit()
        assert seen == [1000.0]

    def test_others_see_soon_what_goes_on(self, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
        book.state.commit()
        monkeypatch.setattr(store, "KEPT_EVERY_S", 0.0)
        book.tell(lot())
        with looking(book.url) as look:
            assert amount_of(look, "TiO2-lot3") == 1000.0

    def test_between_questions_the_database_is_free(self, book: Book) -> None:
        book.tell(lot())
        book.state.commit()
        book.state.check(USE)
        with pytest.raises(RefusedError):
            book.state.check(USE.model_copy(update={"amount": 5000.0}))
        assert amount(book.state) == 1000.0
        with open_engine(url_of(book.url)).begin() as other:
            other.execute(text("UPDATE stocks SET price = 2.0"))


@pytest.mark.parametrize("new_base", ["postgresql"], indirect=True)
def test_a_server_that_comes_back_is_caught_up_with(book: Book) -> None:
    book.tell(lot())
    book.state.commit()
    with book.state.reading() as look:
        mine = look.execute(text("SELECT pg_backend_pid()")).scalar()
    book.tell(USE)
    with open_engine(url_of(book.url)).begin() as other:
        other.execute(text("SELECT pg_terminate_backend(:mine)"), {"mine": mine})
    with pytest.raises(StateError, match="start again, the journal has what is missing"):
        book.tell(USE)
    assert book.state.catch_up() == 1
    book.tell(USE)
    assert amount(book.state) == 998.0


KILLED = """
import sys
from pathlib import Path
from drivers.clock import JumpClock
from lab.records.journal import Journal
from lab.records.state import events as e, store
from tests.lab.state_bases import crucible, into, portion

url, path, run = sys.argv[1:]
store.BATCH = 7
state = store.State(url, Journal(Path(path), JumpClock(), "simulated"))
print("ready", flush=True)
for i in range(10**6):
    ware, place = f"C-{run}-{i}", f"shelf/{run}-{i}"
    for event in (
        crucible(ware, place),
        portion(f"s{run}-{i}", into(ware)),
        e.WareMoved(ware=ware, source=place, to="furnace-1/1"),
        e.WareFired(ware=ware, peak_degc=900.0),
        e.WareMoved(ware=ware, source="furnace-1/1", to=place),
    ):
        state.record(event)
"""


@pytest.mark.system
def test_killed_at_any_point_nothing_is_lost_or_done_twice(tmp_path: Path, new_base: Callable[[], str]) -> None:
    url, path, when = new_base(), tmp_path / "journal.jsonl", random.Random(7)
    behind = 0
    for run in range(6):
        command = [sys.executable, "-c", KILLED, url, str(path), str(run)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(when.uniform(0.02, 0.2))
            process.kill()
        with looking(url) as look:
            kept = look.execute(select(tables.LAB.c.applied)).scalar()
        with Journal(path, JumpClock(), "simulated") as journal, State(url, journal) as state:
            behind += state.applied - int(kept or 0)
            # Whatever the last one left in the furnace is taken out.
            with state.reading() as look:
                left = what_is_at(look, "furnace-1/1")
            if left:
                state.record(e.WareMoved(ware=left[0], source="furnace-1/1", to=f"shelf/{left[0]}"))
    with (
        Journal(path, JumpClock(), "simulated") as journal,
        State(url, journal) as state,
        State(new_base(), journal) as anew,
    ):
        assert everything(state) == everything(anew)
    assert behind > 0
