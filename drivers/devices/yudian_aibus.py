"""Yudian AI-5xx, 7xx and 8xx furnace controllers, also as MTI and Sager sell them: programmes over AIBUS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drivers.codecs.aibus import LAST_UNIT
from drivers.codecs.aibus_program import MAPS, Meaning
from drivers.errors import UnknownDriverError
from drivers.furnaces.aibus_unit import AibusUnit, Habits
from drivers.furnaces.programmed import FURNACE_LIMITED, FURNACE_LIMITS, ProgrammedFurnace
from drivers.kinds import Kind
from drivers.spec import DriverSpec, Option, Parts


class YudianAibus(ProgrammedFurnace):
    """A furnace behind one unit of an AIBUS line; several may share it."""

    def __init__(self, name: str, *, unit: AibusUnit, limits: Mapping[str, float], **base: Any) -> None:
        super().__init__(name, controller=unit, limits=limits, **base)
        self.link = unit.link


def _build(parts: Parts) -> YudianAibus:
    number = int(parts.option("unit", 1))
    if not 0 <= number <= LAST_UNIT:
        raise UnknownDriverError(f"{parts.name}: unit {number} was asked for, AIBUS has 0 to {LAST_UNIT}")
    chosen = parts.option("map")
    habits = Habits(
        map=None if chosen is None else MAPS[_one_of(parts, "map", MAPS)],
        meaning=Meaning(_one_of(parts, "segments", tuple(Meaning), Meaning.START)),
        steps_per_min=10 ** int(parts.option("time_decimals", 0)),
        write_pause_s=float(parts.option("write_pause", Habits.write_pause_s)),
    )
    link = parts.frames(stop_bits=2)
    return YudianAibus(**parts.base, unit=AibusUnit(parts.name, link, number, habits), limits=parts.limits)


def _one_of(parts: Parts, option: str, known: tuple[str, ...] | Mapping[str, Any], default: str = "") -> str:
    word = str(parts.option(option, default))
    if word not in tuple(known):
        raise UnknownDriverError(f"{parts.name}: {option} is {word!r} in the lab file, write {' or '.join(known)}")
    return word


DRIVER = DriverSpec(
    Kind.FURNACE,
    YudianAibus,
    _build,
    limits=FURNACE_LIMITS,
    limited=FURNACE_LIMITED,
    options={
        "unit": Option("its address on the line, 0 to 80 (1)"),
        "map": Option("v7 or v8: the map that it must have (whichever it has)"),
        "segments": Option("start or target: whether a segment's temperature is where it begins or ends (start)"),
        "time_decimals": Option("decimals of a segment's minutes (0)"),
        "write_pause": Option("what it needs between two writes of a programme (0.05 s)", "s"),
    },
)
