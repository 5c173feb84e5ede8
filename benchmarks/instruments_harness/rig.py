"""What the benchmark must know of one driver to torment it: what is true of its instrument, and what may be done."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from drivers.instrument import Instrument as Device
from sim import Simulation
from sim.relay.faults import Fault

Truth = Callable[[Simulation], float | str]
"""Gives what the instrument would truly show now."""


@dataclass(frozen=True)
class Action:
    """Something that must never be done twice because one was asked for."""

    verb: str
    done: str
    """A pattern that the plant notes once for each time that it was done; must match the whole note."""
    undo: str | None = None
    """The verb that ends it: it goes on by itself, and its end is not waited for."""
    arguments: Callable[[Random], Mapping[str, Any]] | None = None
    """Gives its arguments; None for those of the driver's test case."""


@dataclass(frozen=True)
class Rig:
    """One driver under torment. The simulated instrument is that of the driver's test case."""

    driver: str
    beside: Sequence[str] = ()
    """Drivers whose instruments must be there too."""
    truths: Mapping[str, Truth] = field(default_factory=dict)
    """Signal of the device -> what is true of it."""
    tolerance: float = 0.6
    """How far a number may be from the truth: what the wire rounds off."""
    spoils: Mapping[str, Callable[[Simulation], Callable[[], None]]] = field(default_factory=dict)
    """What can go wrong beside the wire, so that no action can end well -> begins it, and gives what ends it."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Signal -> between which values it may be at all."""
    vary: Callable[[Simulation, Random], None] = lambda simulation, random: None
    """Changes what is true, so that an old value is a wrong one."""
    actions: Sequence[Action] = ()
    prepare: Callable[[Simulation], None] = lambda simulation: None
    """Brings the instrument to where every action can be done."""
    shows: Mapping[Fault, Callable[[Device], bool]] = field(default_factory=dict)
    """Fault of the instrument itself that lasts -> whether the device shows it."""
    beyond: Mapping[Fault, str] = field(default_factory=dict)
    """Faults that are not injected -> why no driver could see them."""
    excused: frozenset[Fault] = frozenset()
    """Faults during which what is true changes faster than it is looked at here."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the driver is told beside its test case."""
    sim: Mapping[str, Any] = field(default_factory=dict)
    """What the simulated instrument is told beside its test case."""
    wired: bool = True
    """Whether there is a wire that a relay can spoil."""
    checked: bool = True
    """Whether its wire carries a checksum."""
    speed: float = 60.0
    """Lab seconds for each second."""


def all_rigs() -> dict[str, Rig]:
    """Every rig of the folder ``rigs`` by its driver."""
    modules = sorted((Path(__file__).parent / "rigs").glob("rig_*.py"))
    found = [importlib.import_module(f"benchmarks.instruments_harness.rigs.{path.stem}").RIGS for path in modules]
    return {rig.driver: rig for rigs in found for rig in rigs}
