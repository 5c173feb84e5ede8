"""The tables, and what the database itself does not let in.

Every row says in which world it was written, by whom, at which lab time and by which journal entry. The world refers to
the one that the database belongs to, so a simulated row cannot be in a real laboratory's database.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from lab.records.state import words

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
WORLDS = ("real", "simulated")


def _among(column: str, values: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _word(column: str, enum: type[StrEnum]) -> tuple[Column[str], CheckConstraint]:
    return Column(column, String, nullable=False), _among(column, enum)


def _stamps() -> tuple[Column[str], Column[str], Column[float], Column[int], CheckConstraint]:
    """World, actor, lab time and journal entry of the last change."""
    return (
        Column("world", String, ForeignKey("lab.world"), nullable=False),
        Column("actor", String, nullable=False),
        Column("at_s", Double, nullable=False),
        Column("n", Integer, nullable=False),
        CheckConstraint("actor <> ''", name="actor_named"),
    )


LAB = Table(
    "lab",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("world", String, nullable=False, unique=True),
    Column("applied", Integer, nullable=False),
    Column("event", Integer, nullable=False),
    Column("digest", String, nullable=False),
    CheckConstraint("id = 1", name="only_one"),
    _among("world", WORLDS),
    CheckConstraint("applied >= event AND event >= 0", name="in_order"),
)
"""One row: whose database it is, the journal's last entry that it holds, and which event the last one was."""

STOCKS = Table(
    "stocks",
    METADATA,
    Column("id", String, primary_key=True),
    *_word("sort", words.StockSort),
    Column("substance", String, nullable=False),
    *_word("unit", words.Unit),
    Column("amount", Double, nullable=False),
    Column("received", Double, nullable=False),
    Column("warn_below", Double, nullable=False),
    Column("warned", Boolean, nullable=False),
    Column("price", Double, nullable=False),
    *_stamps(),
    CheckConstraint("amount >= 0", name="not_below_zero"),
    CheckConstraint("amount <= received", name="not_more_than_came"),
)

STOCK_MOVES = Table(
    "stock_moves",
    METADATA,
    Column("stock", String, ForeignKey("stocks.id"), nullable=False, index=True),
    Column("change", Double, nullable=False),
    Column("why", String, nullable=False),
    Column("portion", String),
    Column("task", String),
    *_stamps(),
    UniqueConstraint("n"),
)
"""What came in and went out; the changes of a stock add up to its amount."""

ITEMS = Table(
    "items",
    METADATA,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("position", String, unique=True),
    Column("inside", String, unique=True),
    Column("inside_kind", String),
    Column("gone", Boolean, nullable=False),
    *_stamps(),
    UniqueConstraint("id", "kind"),
    ForeignKeyConstraint(["inside", "inside_kind"], ["items.id", "items.kind"]),
    _among("kind", ("portion", "ware")),
    CheckConstraint("(inside IS NULL) = (inside_kind IS NULL)", name="inside_both"),
    CheckConstraint("inside_kind IS NULL OR (inside_kind = 'ware' AND kind = 'portion')", name="portion_in_ware"),
    CheckConstraint(
        "(gone AND position IS NULL AND inside IS NULL) OR (NOT gone AND (position IS NULL) <> (inside IS NULL))",
        name="in_one_place",
    ),
)
"""Everything that has a place: exactly one, where nothing else is, or none once it is gone."""

WARES = Table(
    "wares",
    METADATA,
    Column("id", String, ForeignKey("items.id"), primary_key=True),
    *_word("sort", words.WareSort),
    Column("material", String, nullable=False),
    Column("lid", Boolean, nullable=False),
    *_word("carry_over", words.CarryOver),
    Column("max_degc", Double),
    Column("max_uses", Integer),
    Column("tare_mg", Double),
    Column("uses", Integer, nullable=False),
    Column("hottest_degc", Double),
    Column("last_elements", String),
    Column("retired", String),
    *_stamps(),
    CheckConstraint("uses >= 0", name="uses_counted"),
    CheckConstraint("tare_mg IS NULL OR tare_mg >= 0", name="tare_not_negative"),
)

PORTIONS = Table(
    "portions",
    METADATA,
    Column("id", String, ForeignKey("items.id"), primary_key=True),
    Column("sample", String, ForeignKey("portions.id"), nullable=False, index=True),
    Column("recipe", String),
    Column("elements", String, nullable=False),
    Column("made_mg", Double, nullable=False),
    Column("made_s", Double, nullable=False),
    Column("mass_mg", Double),
    *_word("outcome", words.Outcome),
    Column("fate", String),
    Column("why", String),
    Column("firings", Integer, nullable=False),
    Column("hottest_degc", Double),
    *_stamps(),
    CheckConstraint("made_mg > 0", name="made_of_something"),
    CheckConstraint("mass_mg IS NULL OR mass_mg >= 0", name="mass_not_negative"),
    CheckConstraint(
        "fate IS NULL OR fate IN ({})".format(", ".join(f"'{fate}'" for fate in words.Fate)), name="fate_known"
    ),
)

LINEAGE = Table(
    "lineage",
    METADATA,
    Column("parent", String, ForeignKey("portions.id"), primary_key=True),
    Column("child", String, ForeignKey("portions.id"), primary_key=True, index=True),
    Column("mass_mg", Double, nullable=False),
    *_stamps(),
    CheckConstraint("parent <> child", name="not_its_own"),
)

WEIGHINGS = Table(
    "weighings",
    METADATA,
    Column("portion", String, ForeignKey("portions.id"), nullable=False, index=True),
    Column("gross_mg", Double, nullable=False),
    Column("tare_mg", Double, nullable=False),
    Column("mass_mg", Double, nullable=False),
    *_word("moment", words.Weighed),
    *_stamps(),
    UniqueConstraint("n"),
    CheckConstraint("mass_mg >= 0 AND gross_mg >= 0 AND tare_mg >= 0", name="not_negative"),
)

OUTCOMES = Table(
    "outcomes",
    METADATA,
    Column("portion", String, ForeignKey("portions.id"), nullable=False, index=True),
    *_word("outcome", words.Outcome),
    Column("note", String, nullable=False),
    *_stamps(),
    UniqueConstraint("n"),
)

BARCODES = Table(
    "barcodes",
    METADATA,
    Column("position", String, nullable=False),
    Column("expected", String, nullable=False),
    Column("found", String),
    Column("settled", Boolean, nullable=False),
    Column("task", String, index=True),
    Column("read_n", Integer, primary_key=True, autoincrement=False),
    *_stamps(),
    CheckConstraint("NOT settled OR expected = found OR n > read_n", name="settled_later"),
)

TASKS = Table(
    "tasks",
    METADATA,
    Column("id", String, primary_key=True),
    Column("what", String, nullable=False),
    Column("station", String, nullable=False),
    Column("sample", String, index=True),
    Column("instructions", String, nullable=False),
    *_word("repeatability", words.Repeatability),
    Column("state", String, nullable=False, index=True),
    _among("state", words.TaskState),
    Column("held_from", String),
    Column("why", String),
    Column("dispatches", Integer, nullable=False),
    Column("undone", Integer, nullable=False),
    Column("planned_s", Double, nullable=False),
    Column("dispatched_s", Double),
    Column("acknowledged_s", Double),
    Column("ended_s", Double),
    *_stamps(),
    CheckConstraint("(state = 'held') = (held_from IS NOT NULL)", name="held_from_somewhere"),
    CheckConstraint("undone >= 0 AND undone <= dispatches", name="undone_was_dispatched"),
    CheckConstraint("repeatability = 'repeatable' OR dispatches - undone <= 1", name="not_repeated"),
    CheckConstraint("repeatability <> 'never' OR undone = 0", name="never_again"),
)

TASK_ITEMS = Table(
    "task_items",
    METADATA,
    Column("task", String, ForeignKey("tasks.id"), primary_key=True),
    Column("item", String, ForeignKey("items.id"), primary_key=True, index=True),
    *_stamps(),
)

LEASES = Table(
    "leases",
    METADATA,
    Column("id", String, primary_key=True),
    Column("station", String, nullable=False),
    Column("holder", String, nullable=False),
    Column("taken_s", Double, nullable=False),
    Column("returned_s", Double),
    *_stamps(),
    Index(
        "uq_leases_station",
        "station",
        unique=True,
        sqlite_where=text("returned_s IS NULL"),
        postgresql_where=text("returned_s IS NULL"),
    ),
)
"""Who has which station; only one lease of a station is out at a time."""

BLOCKED = Table(
    "blocked",
    METADATA,
    Column("position", String, primary_key=True),
    Column("why", String, nullable=False),
    *_stamps(),
)

CALIBRATIONS = Table(
    "calibrations",
    METADATA,
    Column("what", String, nullable=False, index=True),
    Column("figures", String, nullable=False),
    Column("valid_for_s", Double, nullable=False),
    *_stamps(),
    UniqueConstraint("n"),
    CheckConstraint("valid_for_s > 0", name="valid_for_some_time"),
)

ATTESTATIONS = Table(
    "attestations",
    METADATA,
    Column("who", String, nullable=False),
    Column("seen", String, nullable=False),
    Column("task", String, ForeignKey("tasks.id")),
    Column("happened", Boolean),
    Column("places", String, nullable=False),
    *_stamps(),
    UniqueConstraint("n"),
    CheckConstraint("actor <> 'auto' AND who <> ''", name="by_a_person"),
    CheckConstraint("(task IS NULL) = (happened IS NULL)", name="task_and_whether"),
)
