"""Questions about samples: which portions came of them, and how much was made."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from lab.records.state import tables
from lab.records.state.rows import Rows
from lab.records.state.words import Fate, Weighed


@dataclass(frozen=True)
class Member:
    """One portion and what became of it."""

    portion: str
    parents: tuple[str, ...]
    made_mg: float
    mass_mg: float | None
    """None where nobody knows."""
    outcome: str
    fate: str | None
    """None while it is there."""
    hottest_degc: float | None
    children: tuple[Member, ...] = field(default=(), repr=False)

    def walk(self) -> Iterator[Member]:
        """This portion and all that came of it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class FiringYield:
    """What a portion weighed before and after one firing."""

    portion: str
    before_mg: float
    after_mg: float

    @property
    def fraction(self) -> float:
        """After by before."""
        return self.after_mg / self.before_mg if self.before_mg > 0 else float("nan")


@dataclass(frozen=True)
class SampleYield:
    """How much of a sample there is of what was weighed in."""

    sample: str
    dosed_mg: float
    there_mg: float
    """What is there or was used for measuring."""
    unknown: tuple[str, ...]
    """Portions of which nobody knows how much is left."""
    firings: tuple[FiringYield, ...]

    @property
    def fraction(self) -> float:
        """There by dosed; at most so much where a mass is unknown."""
        return self.there_mg / self.dosed_mg


def family(connection: Connection, sample: str) -> Member | None:
    """A sample's portion and all that came of it; a portion of two parents stands below both."""
    return _member(connection, Rows(connection), sample)


def samples(connection: Connection) -> tuple[str, ...]:
    """The portions that a recipe began with, the oldest first."""
    c = tables.PORTIONS.c
    begun = select(c.id).where(c.recipe.is_not(None)).order_by(c.made_s, c.id)
    return tuple(connection.execute(begun).scalars())


def sample_yield(connection: Connection, sample: str) -> SampleYield | None:
    """How much of a sample is left, and of each firing; None where there is no such sample.

    Of a portion that was joined with another sample's, only what this sample gave counts.
    """
    root = family(connection, sample)
    if root is None:
        return None
    members = list({member.portion: member for member in root.walk()}.values())
    parts = _own_parts(connection, sample, [member.portion for member in members])
    there_mg, unknown = 0.0, []
    for member in members:
        if member.fate not in {None, Fate.USED}:
            continue
        if member.mass_mg is None:
            unknown.append(member.portion)
        else:
            there_mg += member.mass_mg * parts[member.portion]
    firings = tuple(one for member in members for one in _firings(connection, member.portion))
    return SampleYield(sample, root.made_mg, there_mg, tuple(unknown), firings)


def _own_parts(connection: Connection, sample: str, names: Collection[str]) -> dict[str, float]:
    """How much of each portion came of this sample, by mass; it thins out where other samples' are joined to it."""
    given: dict[str, list[tuple[str, float]]] = {name: [] for name in names}
    c = tables.LINEAGE.c
    for row in connection.execute(select(c.parent, c.child, c.mass_mg).where(c.child.in_(given))):
        given[row.child].append((row.parent, row.mass_mg))
    parts = {sample: 1.0}

    def part(name: str) -> float:
        if name not in parts:
            all_mg = sum(mass_mg for _, mass_mg in given.get(name, ()))
            own_mg = sum(mass_mg * part(parent) for parent, mass_mg in given.get(name, ()))
            parts[name] = own_mg / all_mg if all_mg > 0 else 0.0
        return parts[name]

    return {name: part(name) for name in names}


def _member(connection: Connection, rows: Rows, name: str) -> Member | None:
    portion = rows.find_portion(name)
    if portion is None:
        return None
    lineage = tables.LINEAGE.c
    children = connection.execute(select(lineage.child).where(lineage.parent == name).order_by(lineage.child))
    below = [_member(connection, rows, child) for child in children.scalars().all()]
    parents = connection.execute(select(lineage.parent).where(lineage.child == name).order_by(lineage.parent))
    return Member(
        portion=name,
        parents=tuple(parents.scalars().all()),
        made_mg=portion.made_mg,
        mass_mg=portion.mass_mg,
        outcome=portion.outcome,
        fate=portion.fate,
        hottest_degc=portion.hottest_degc,
        children=tuple(member for member in below if member is not None),
    )


def _firings(connection: Connection, portion: str) -> Iterator[FiringYield]:
    """Each weighing after a firing with the last one before it."""
    c = tables.WEIGHINGS.c
    before_mg: float | None = None
    for row in connection.execute(select(c.moment, c.mass_mg).where(c.portion == portion).order_by(c.n)):
        if row.moment == Weighed.BEFORE_FIRING:
            before_mg = row.mass_mg
        elif row.moment == Weighed.AFTER_FIRING and before_mg is not None:
            yield FiringYield(portion, before_mg, row.mass_mg)
            before_mg = None
