"""What the benchmark must know of one driver to torment it: what is true of its instrument, and what may be done."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from drivers.instrument import Instrument as Device
from sim import Simulation
from sim.relay.faults import Fault

Value = float | str | frozenset[str]
"""A number, a word, or words each of which is true."""
Truths = Mapping[str, Value]
"""Signal of the device -> what the instrument would truly show."""
Prepare = Callable[[Simulation], None]
Check = Callable[[Simulation, Device, Mapping[str, Any]], str]
"""What is wrong with what an action has done, from the plant, the device and its arguments; empty where nothing is."""


@dataclass(frozen=True)
class Measure:
    """One signal: how far it may be from the truth, and what protects it where the wire has no checksum."""

    tolerance: float = 0.0
    """What noise and rounding make of it."""
    low: float = -math.inf
    high: float = math.inf
    """Between which values it may be at all."""
    rate_per_s: float = math.inf
    """By how much it may change in a lab second."""
    agreement: float = 0.0
    """How far apart two readings may be that are taken to agree."""


@dataclass(frozen=True)
class Action:
    """Something that must never be done twice because one was asked for."""

    verb: str
    done: str | None = None
    """A pattern that the plant notes once for each time that it was done; must match the whole note. None for what
    does no harm when it is repeated: a question, or a setting that is the same each time."""
    undo: str | None = None
    """The verb that ends it: it goes on by itself, and its end is not waited for."""
    arguments: Callable[[Random], Mapping[str, Any]] | None = None
    """Gives its arguments; None for those of the driver's test case."""
    prepare: Prepare = lambda simulation: None
    """Brings the instrument to where this action can be done."""
    check: Check | None = None
    """Asked where it ended well."""
    rests_on: Sequence[str] = ()
    """Actions that were done before and enter into what this one does."""
    always: bool = True
    """Whether it was done where it ended well; not where there may have been nothing to do."""


@dataclass(frozen=True)
class Rig:
    """One driver under torment. The simulated instrument is that of the driver's test case."""

    driver: str
    beside: Sequence[str] = ()
    """Drivers whose instruments must be there too."""
    true: Callable[[Simulation], Truths] = lambda simulation: {}
    """Asked at each answer, under the lock under which the instrument answers."""
    measures: Mapping[str, Measure] = field(default_factory=dict)
    """Signals that are held against what is true."""
    spoils: Mapping[str, Callable[[Simulation], Callable[[], None]]] = field(default_factory=dict)
    """What can go wrong beside the wire, so that no action can end well -> begins it, and gives what ends it."""
    vary: Callable[[Simulation, Random], None] = lambda simulation, random: None
    """Changes what is true, so that an old value is a wrong one."""
    actions: Sequence[Action] = ()
    prepare: Prepare = lambda simulation: None
    """Brings the instrument to where every action can be done."""
    shows: Mapping[Fault, Callable[[Device], bool]] = field(default_factory=dict)
    """Fault of the instrument itself that lasts -> whether the device shows it."""
    beyond: Mapping[Fault, str] = field(default_factory=dict)
    """Faults that are not injected -> why no driver could see them."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the driver is told beside its test case."""
    sim: Mapping[str, Any] = field(default_factory=dict)
    """What the simulated instrument is told beside its test case."""
    wired: bool = True
    """Whether there is a wire that a relay can spoil."""
    checked: bool = True
    """Whether its wire carries a checksum."""
    rate: float = 0.08
    """Faults for each request: where a look or an action asks more, it is less, so that some end well."""
    crowd: int = 1
    """How many times as many links share the faults: where links wait long, that takes less time."""
    speed: float = 60.0
    """Lab seconds for each second."""


def all_rigs() -> dict[str, Rig]:
    """Every rig of the folder ``rigs`` by its driver."""
    modules = sorted((Path(__file__).parent / "rigs").glob("rig_*.py"))
    found = [importlib.import_module(f"benchmarks.instruments_harness.rigs.{path.stem}").RIGS for path in modules]
    return {rig.driver: rig for rigs in found for rig in rigs}
