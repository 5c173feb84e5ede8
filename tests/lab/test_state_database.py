from __future__ import annotations

import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import insert, text, update
from sqlalchemy.exc import IntegrityError

from drivers.clock import JumpClock
from lab.records.journal import Journal
from lab.records.state import events as e
from lab.records.state import migrate, tables
from lab.records.state.budget import amount_of
from lab.records.state.database import open_engine, spoken, url_of
from lab.records.state.errors import StateError
from lab.records.state.looks import looking, where_is
from lab.records.state.store import State
from lab.records.state.words import Repeatability
from tests.lab.state_bases import Book, at, crucible, into, lot, portion

USE = e.StockUsed(stock="TiO2-lot3", amount=1.0)


def amount(book: Book) -> float | None:
    with book.state.reading() as look:
        return amount_of(look, "TiO2-lot3")


def beside(url: str, *statements: str) -> None:
    """Do to a database what no program of ours does."""
    with open_engine(url_of(url), references=False).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "other.jsonl", JumpClock(), "simulated") as journal:
        yield journal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Gives what makes this program one whose tables are changed by some more lines."""

    def next_version(lines: str) -> None:
        scripts = tmp_path / "migrations"
        shutil.copytree(migrate.SCRIPTS, scripts)
        head = 'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "0002"\ndown_revision = "0001"\n'
        body = "".join(f"    {line}\n" for line in lines.splitlines())
        (scripts / "versions" / "v0002_next.py").write_text(f"{head}\n\ndef upgrade():\n{body}", encoding="utf-8")
        monkeypatch.setattr(migrate, "SCRIPTS", scripts)

    return next_version


class TestWhatTheDatabaseItselfRefuses:
    """Statements past every rule."""

    def statement(self, book: Book, statement: Any) -> None:
        with pytest.raises(IntegrityError), book.state._connection.begin_nested():
            book.state._connection.execute(statement)

    def test_impossible_rows(self, book: Book) -> None:
        book.tell(lot(), crucible(), crucible("C-2", "shelf/2"), portion("s1", into("C-1")), portion("s2", at("a/1")))
        book.tell(
            e.TaskPlanned(task="t", what="dose", station="d", repeatability=Repeatability.NEVER),
            e.TaskDispatched(task="t"),
        )
        book.tell(e.LeaseTaken(lease="l1", station="robot-1", holder="t"))
        items, stocks, tasks = tables.ITEMS, tables.STOCKS, tables.TASKS
        one = update(items).where(items.c.id == "s2")
        stamps = {"world": "simulated", "actor": "auto", "at_s": 0.0, "n": 9}
        for statement in (
            update(stocks).values(amount=-0.1),
            update(stocks).values(amount=1001.0),
            one.values(position="shelf/1"),
            one.values(position=None, inside="C-1", inside_kind="ware"),
            one.values(inside="C-2", inside_kind="ware"),
            one.values(position=None),
            one.values(gone=True),
            one.values(position=None, inside="s1", inside_kind="portion"),
            one.values(position=None, inside="C-9", inside_kind="ware"),
            one.values(world="real"),
            one.values(actor=""),
            update(items).where(items.c.id == "C-2").values(position=None, inside="C-1", inside_kind="ware"),
            update(tables.PORTIONS).values(mass_mg=-1.0),
            update(tasks).values(dispatches=2),
            update(tasks).values(undone=1),
            update(tasks).values(state="asleep"),
            update(tables.LAB).values(world="dream"),
            insert(tables.LAB).values(id=2, world="real", applied=0, event=0, digest=""),
            insert(tables.LEASES).values(id="l2", station="robot-1", holder="x", taken_s=0.0, **stamps),
            insert(tables.ATTESTATIONS).values(who="ada", seen="it", places="", **stamps),
            insert(tables.LINEAGE).values(parent="s1", child="s1", mass_mg=1.0, **stamps),
        ):
            self.statement(book, statement)

    def test_every_row_has_world_and_actor(self) -> None:
        for table in tables.METADATA.tables.values():
            if table is not tables.LAB:
                assert not table.c.world.nullable
                assert not table.c.actor.nullable
                assert [key.target_fullname for key in table.c.world.foreign_keys] == ["lab.world"]

    def test_a_refusal_past_the_rules_drops_the_transaction(self, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
        book.tell(lot())
        monkeypatch.setattr("lab.records.state.rules.stock._snapped", lambda amount, there: abs(amount) + 1e6)
        with pytest.raises(StateError, match="the database refuses that"):
            book.tell(USE)
        with pytest.raises(StateError, match="must catch up"):
            book.state.check(USE)


class TestOpening:
    def test_the_migrations_make_the_tables(self, book: Book) -> None:
        with book.state.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []

    def test_a_database_belongs_to_one_world(self, book: Book, tmp_path: Path) -> None:
        belongs = pytest.raises(StateError, match="belongs to a simulated laboratory, and this one is real")
        with Journal(tmp_path / "real.jsonl", JumpClock(), "real") as real, belongs:
            State(book.url, real)

    def test_a_newer_database_is_left_alone(self, book: Book) -> None:
        book.close()
        beside(book.url, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StateError, match=r"is of version 9999, and this program knows versions up to 0001: use"):
            book.open()
        with pytest.raises(StateError, match="is of version 9999"), looking(book.url):
            pass

    def test_a_strangers_database_is_left_alone(self, book: Book) -> None:
        book.close()
        beside(book.url, "DROP TABLE alembic_version")
        with pytest.raises(StateError, match=r"tables that are not of a laboratory's state \(attestations, barcodes, "):
            book.open()

    def test_an_older_database_is_upgraded(self, book: Book, next_version: Callable[[str], None]) -> None:
        book.tell(lot(), crucible(), portion(place=into("C-1")))
        book.close()
        # On SQLite this makes the table anew, to which others refer.
        next_version(
            'with op.batch_alter_table("items") as batch:\n'
            '    batch.add_column(sa.Column("shape", sa.String()))\n'
            '    batch.alter_column("kind", nullable=True)'
        )
        older = pytest.raises(StateError, match="is of version 0001, and this program reads version 0002")
        with older, looking(book.url):
            pass
        book.open()
        assert amount(book) == 1000.0
        with book.state.reading() as look:
            assert look.execute(text("SELECT shape FROM items")).scalars().all() == [None, None]
            assert where_is(look, "s1") is not None
        copy = book.state.kept_copy
        assert book.again().kept_copy is None
        if book.url.startswith("sqlite"):
            assert copy is not None
            with sqlite3.connect(copy) as kept:
                assert kept.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
                assert kept.execute("SELECT amount FROM stocks").fetchone() == (1000.0,)
            kept.close()

    @pytest.mark.parametrize(
        ("lines", "match"),
        [
            ('op.drop_table("blocked")\nop.execute("SELECT 1 FROM nowhere")', r"cannot be opened: .*nowhere"),
            ('op.execute("DELETE FROM lab")', "a row of .* would refer to nothing in lab|cannot be opened: .*lab"),
        ],
    )
    def test_an_upgrade_that_fails_changes_nothing(
        self, book: Book, next_version: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, lines: str, match: str
    ) -> None:
        book.tell(lot())
        book.close()
        next_version(lines)
        with pytest.raises(StateError, match=match):
            book.open()
        monkeypatch.undo()
        book.open()
        assert amount(book) == 1000.0
        book.state.check(e.PositionBlocked(position="a/1", why="the table is still there"))

    def test_no_upgrade_without_a_copy(
        self, file: Path, journal: Journal, next_version: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        State(file, journal).close()
        next_version('op.drop_table("blocked")')
        monkeypatch.setattr(migrate, "_free_name", lambda path: path.parent / "nowhere" / path.name)
        with pytest.raises(StateError, match=r"no copy of the older database could be kept .*: make room"):
            State(file, journal)


class TestBadDisks:
    def test_a_file_that_is_no_database(self, file: Path, journal: Journal) -> None:
        file.write_bytes(b"no database at all, but long enough to have a head" * 100)
        with pytest.raises(
            StateError, match=r"state\.db: cannot be opened: file is not a database: move that file away"
        ):
            State(file, journal)

    def test_a_folder_that_is_not_there(self, tmp_path: Path, journal: Journal) -> None:
        with pytest.raises(StateError, match="unable to open database file: it must be in a folder that you may write"):
            State(tmp_path / "nowhere" / "state.db", journal)

    def test_a_full_disk_loses_nothing(self, tmp_path: Path) -> None:
        book = Book(f"sqlite:///{tmp_path}/state.db", tmp_path)
        book.tell(lot())
        book.state.commit()
        with book.state.reading() as look:
            pages = look.exec_driver_sql("PRAGMA page_count").scalar()
            look.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        big = portion().model_copy(update={"recipe": {"note": "x" * 100_000}})
        with pytest.raises(
            StateError, match="database or disk is full: make room and start again, the journal has what"
        ):
            book.tell(big)
        with pytest.raises(StateError, match="must catch up from the journal first"):
            book.tell(USE)
        with pytest.raises(StateError, match="database or disk is full"):
            book.state.catch_up()
        with book.state._connection.begin():
            book.state._connection.exec_driver_sql("PRAGMA max_page_count = 100000")
        assert book.state.catch_up() == 1
        book.tell(USE)
        book.again()
        with book.state.reading() as look:
            assert where_is(look, "s1") is not None
        book.close()

    def test_another_process_that_keeps_it(self, file: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lab.records.state.database._WAIT_S", 0.1)
        with State(file, journal) as first:
            first.record(lot())
            with pytest.raises(StateError, match="database is locked: another process is writing it"):
                State(file, journal)

    @pytest.mark.parametrize(
        ("where", "match"),
        [
            ("nonsense", "nonsense: is no address of a database"),
            ("oracle://u:secret@h/x", r"oracle://u:\*\*\*@h/x: the state is kept in sqlite or postgresql"),
            ("postgresql://u:secret@/x?host=/nowhere", r"postgresql://u:\*\*\*@/x.*cannot be opened"),
        ],
    )
    def test_an_address_that_leads_nowhere(self, journal: Journal, where: str, match: str) -> None:
        with pytest.raises(StateError, match=match) as caught:
            State(where, journal)
        assert "secret" not in str(caught.value)

    def test_a_missing_driver_is_named(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(
            StateError, match=r"needs psycopg, which is not installed: pip install 'athanor\[postgres\]'"
        ):
            State("postgresql://u:secret@h/x", journal)

    def test_how_addresses_are_spoken(self, file: Path) -> None:
        assert spoken(url_of(file)) == str(file)
        assert spoken(url_of("postgresql://u:secret@h/x")) == "postgresql://u:***@h/x"


class TestLooking:
    def test_another_process_looks_while_one_writes(self, file: Path, journal: Journal) -> None:
        with State(file, journal) as state:
            state.record(lot())
            state.commit()
            state.record(USE)
            with looking(file) as look:
                assert amount_of(look, "TiO2-lot3") == 1000.0

    def test_there_is_nothing_to_look_at(self, file: Path) -> None:
        with pytest.raises(StateError, match="there is no state"), looking(file):
            pass
        assert not file.exists()
