"""One driver as tests use it: its lab file entry, the simulated instrument, and each verb with its arguments."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """A driver, and what it takes to use every verb of it once."""

    driver: str
    name: str
    """As plant and lab files name the device."""
    address: str
    """Simulated."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """In the units of the driver."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the driver; ``{results}`` in a text becomes a folder."""
    sim: Mapping[str, Any] = field(default_factory=dict)
    """Options of the simulated instrument; ``{results}`` likewise."""
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Verb -> arguments, for those that have any."""
    first: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    """Verb -> (driver, verb) of what must be done or under way before it writes anything."""
    nothing_to_do: frozenset[str] = frozenset()
    """Verbs that write nothing while there is nothing to do, and end well."""
    undo: str | None = None
    """The verb that ends whatever `first` began."""


def all_cases() -> dict[str, Case]:
    """Every case of this folder by its driver."""
    modules = sorted(Path(__file__).parent.glob("case_*.py"))
    cases = [importlib.import_module(f"tests.cases.{path.stem}").CASE for path in modules]
    return {case.driver: case for case in cases}


def filled(options: Mapping[str, Any], results: Path) -> dict[str, Any]:
    """Options with the folder of results in its place."""
    return {
        key: value.replace("{results}", str(results)) if isinstance(value, str) else value
        for key, value in options.items()
    }
