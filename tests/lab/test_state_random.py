"""Anything in any order: an event is refused in a sentence or kept, and what is kept can be."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import func, select

from lab.records.state import events as e
from lab.records.state import tables
from lab.records.state.errors import RefusedError
from lab.records.state.events import Event, Place
from lab.records.state.store import State
from lab.records.state.words import CarryOver, Fate, Outcome, Repeatability, StockSort, Unit, WareSort
from tests.lab.state_bases import Book, at, everything, into

T = TypeVar("T")

WARES = ("C-1", "C-2", "C-3", "V-1")
PORTIONS = ("s1", "s2", "s3", "s4", "s5", "s6")
POSITIONS = ("a/1", "a/2", "b/1", "b/2", "c/1")
TASKS = ("t1", "t2", "t3")
STOCKS = ("TiO2", "vials")
ELEMENTS = (("Ba", "O"), ("Ba", "Ti", "O"), ("Zr", "O"))


class Draws:
    """Events drawn from few names, so that they get into each other's way."""

    def __init__(self, seed: int, state: State) -> None:
        self.pick = random.Random(seed)
        self.state = state

    def any(self, choices: Iterable[T]) -> T:
        return self.pick.choice(tuple(choices))

    def place(self) -> Place:
        return at(self.any(POSITIONS)) if self.pick.random() < 0.5 else into(self.any(WARES))

    def real_place(self, item: str) -> Place:
        """Where something is, mostly, so that moves are not all refused."""
        with self.state.reading() as look:
            row = look.execute(select(tables.ITEMS).where(tables.ITEMS.c.id == item)).first()
        if row is None or row.gone or self.pick.random() < 0.1:
            return self.place()
        return Place(position=row.position, inside=row.inside)

    def mass(self, portion: str) -> float:
        with self.state.reading() as look:
            found = look.execute(select(tables.PORTIONS.c.mass_mg).where(tables.PORTIONS.c.id == portion)).scalar()
        return float(found or self.pick.uniform(1.0, 100.0))

    def stock(self) -> Event:
        name, amount = self.any(STOCKS), self.pick.uniform(0.1, 40.0)
        if self.pick.random() < 0.2:
            return e.StockTakenIn(stock=name, sort=StockSort.LOT, substance=name, unit=Unit.MG, amount=amount)
        return self.any(
            (
                e.StockUsed(stock=name, amount=amount),
                e.StockReturned(stock=name, amount=amount),
                e.StockCounted(stock=name, amount=amount),
                e.StockWarned(stock=name),
            )
        )

    def ware(self) -> Event:
        name = self.any(WARES)
        source = self.real_place(name).position or "a/1"
        return self.any(
            (
                e.WareTakenIn(
                    ware=name,
                    sort=self.any(WareSort),
                    position=self.any(POSITIONS),
                    material="alumina",
                    carry_over=self.any(CarryOver),
                    tare_mg=self.any((None, 5.0)),
                ),
                e.WareMoved(ware=name, source=source, to=self.any(POSITIONS)),
                e.WareTared(ware=name, tare_mg=5.0),
                e.WareFired(ware=name, peak_degc=900.0),
                e.WareCleaned(ware=name),
                e.WareUsed(ware=name, portion=self.any(PORTIONS)),
                e.WareMoved(ware=name, source=source, to=self.any(POSITIONS)),
            )
        )

    def portion(self) -> Event:
        name, other, new = self.any(PORTIONS), self.any(PORTIONS), f"p{self.pick.randrange(10**6)}"
        mass = self.mass(name)
        if name == other:
            return e.PortionCreated(
                portion=new if self.pick.random() < 0.3 else name,
                mass_mg=mass,
                elements=self.any(ELEMENTS),
                place=self.place(),
                recipe={},
            )
        child = self.any((new, *PORTIONS))
        part, rest = mass * self.pick.random() + 0.01, self.pick.random()
        return self.any(
            (
                e.PortionMoved(portion=name, source=self.real_place(name), to=self.place()),
                e.PortionMoved(portion=name, source=self.real_place(name), to=self.place()),
                e.PortionSplit(
                    portion=name,
                    children=(
                        e.Child(portion=child, mass_mg=part, place=self.place()),
                        e.Child(portion=other, mass_mg=mass - part + 0.02, place=self.real_place(name)),
                    ),
                    remaining_mg=0.0 if rest < 0.7 else rest,
                ),
                e.PortionJoined(
                    portions=(name, other),
                    portion=child,
                    mass_mg=mass + self.mass(other),
                    place=self.any((self.place(), self.real_place(name))),
                ),
                e.PortionWeighed(portion=name, gross_mg=mass + 5.0, tare_mg=self.any((None, 5.0))),
                e.PortionOutcome(portion=name, outcome=self.any((*Outcome, Outcome.FREE, Outcome.FREE))),
                e.PortionConsumed(portion=name, fate=self.any(Fate)),
            )
        )

    def task(self) -> Event:
        name = self.any(TASKS)
        steps: tuple[Callable[[], Event], ...] = (
            lambda: e.TaskPlanned(
                task=self.any((name, f"t{self.pick.randrange(10**6)}")),
                what="dose",
                station="d",
                repeatability=self.any(Repeatability),
                portions=(self.any(PORTIONS),),
                wares=(self.any(WARES),),
            ),
            lambda: e.TaskDispatched(task=name),
            lambda: e.TaskDispatched(task=name),
            lambda: e.TaskAcknowledged(task=name),
            lambda: e.TaskHeld(task=name, why="x"),
            lambda: e.TaskResumed(task=name),
            lambda: e.TaskUndone(task=name, why="x"),
            lambda: e.TaskVerified(task=name),
            lambda: e.TaskFailed(task=name, why="x"),
            lambda: e.BarcodeRead(position="a/1", expected="C-1", found=self.any(("C-1", "C-2")), task=name),
        )
        step: Callable[[], Event] = self.any(steps)
        return step()

    def other(self) -> Event:
        position, number = self.any(POSITIONS), self.pick.randrange(1, 400)
        things = self.pick.sample((*WARES, *PORTIONS), self.pick.randrange(1, 4))
        placed = tuple(e.Placed(item=t, place=self.any((self.place(), self.real_place(t), None))) for t in things)
        return self.any(
            (
                e.PositionBlocked(position=position, why="x"),
                e.PositionCleared(position=position),
                e.PositionCleared(position=position),
                e.LeaseTaken(lease=f"l{number}", station=self.any("xyz"), holder="h"),
                e.LeaseReturned(lease=f"l{number}"),
                e.BarcodeRead(position=position, expected="C-1", found=self.any(("C-1", "C-2", None))),
                e.CalibrationDone(what="x", values={"a": 1.0}, valid_for_s=200.0),
                e.Attested(who="ada", seen="it", placed=placed),
                e.Attested(who="ada", seen="it", task=self.any(TASKS), happened=self.any((True, False))),
                e.Attested(who="ada", seen="it", barcode=number),
            )
        )

    def next(self) -> Event:
        draw: Callable[[], Event] = self.any((self.stock, self.ware, self.portion, self.portion, self.task, self.other))
        return draw()


@pytest.mark.parametrize("seed", range(8))
def test_what_the_rules_allow_the_database_allows(tmp_path: Path, seed: int) -> None:
    book = Book(f"sqlite:///{tmp_path}/state.db", tmp_path)
    with closing(book):
        draws, told = Draws(seed, book.state), 0
        for _ in range(600):
            book.journal.write("note", text="entries of others come between")
            with suppress(RefusedError):
                book.tell(draws.next(), actor="ada")
                told += 1
        assert 100 < told < 500
        with book.state.reading() as look:
            _is_possible(look)
        with State(f"sqlite:///{tmp_path}/again.db", book.journal) as again:
            assert again.applied == 600 + told
            assert everything(again) == everything(book.state)


def _is_possible(look: Any) -> None:
    """What no constraint of the database can say."""
    items, portions, wares = tables.ITEMS.c, tables.PORTIONS.c, tables.WARES.c
    gone = set(look.execute(select(items.id).where(items.gone)).scalars())
    ended = select(portions.id).where(portions.fate.is_not(None))
    retired = select(wares.id).where(wares.retired.is_not(None))
    assert gone == {*look.execute(ended).scalars(), *look.execute(retired).scalars()}
    inside = set(look.execute(select(items.inside).where(items.inside.is_not(None))).scalars())
    assert not inside & gone
    moves, stocks = tables.STOCK_MOVES.c, tables.STOCKS.c
    for row in look.execute(select(moves.stock, func.sum(moves.change).label("total")).group_by(moves.stock)).all():
        amount = look.execute(select(stocks.amount).where(stocks.id == row.stock)).scalar()
        assert row.total == pytest.approx(amount, abs=1e-6)
