"""What the simulator knows of a kind of instrument: how it is reached, and how one is put up."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sim.instruments
from sim.addresses import Carrier, Language, Spot
from sim.errors import BadOptionError, UnknownModelError
from sim.spec import Instrument

if TYPE_CHECKING:
    from sim.site import Site

PutUp = Callable[["Site", Instrument, Spot], object]
"""Puts the physics of one instrument into the plant and its wire onto the switchboard; gives the instrument."""


@dataclass(frozen=True)
class Model:
    """One kind of simulated instrument; the `MODEL` of its module."""

    carrier: Carrier
    """What carries its bytes where an address leaves that open."""
    language: Language
    put_up: PutUp
    options: Mapping[str, object] = field(default_factory=dict)
    """What it may be told, beside `pace_baud` and the `unit` on a shared line -> what holds where nobody says."""
    first: bool = False
    """Whether it is put up before the others: what watches comes before what is watched."""


def model_names() -> tuple[str, ...]:
    """Every model that comes with the simulator, sorted; loads none of them."""
    found = (module.name for module in pkgutil.iter_modules(sim.instruments.__path__))
    return tuple(sorted(name.replace("_", "-") for name in found if not name.startswith("_")))


def model_of(instrument: Instrument) -> Model:
    """Find the model of an instrument; loads it.

    Raises:
        UnknownModelError: Where there is none of that name.
        BadOptionError: Where it is told something that it knows nothing of.
    """
    model = _load(instrument)
    for option in instrument.options:
        if option not in {*model.options, "pace_baud", "unit"}:
            known = ", ".join((*model.options, "pace_baud", "unit"))
            raise BadOptionError(f"{instrument.name}: a simulated {instrument.model} has no {option!r}: it has {known}")
    return model


def option(instrument: Instrument, model: Model, name: str) -> Any:
    """Give what an instrument was told, or what holds where nobody said."""
    value = instrument.options.get(name)
    return model.options[name] if value is None else value


def _load(instrument: Instrument) -> Model:
    name = instrument.model
    dotted = "." in name and not name.startswith(".")
    if not dotted and name not in model_names():
        near = difflib.get_close_matches(name, model_names(), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(model_names())
        raise UnknownModelError(f"{instrument.name}: no simulator speaks for a {name!r}: there are {known}{hint}")
    module = name if dotted else f"sim.instruments.{name.replace('-', '_')}"
    try:
        found = importlib.import_module(module).MODEL
    except (ImportError, AttributeError) as error:
        raise UnknownModelError(
            f"{instrument.name}: no simulator speaks for a {name!r}: {error}; it must be a module with a MODEL"
        ) from error
    if not isinstance(found, Model):
        raise UnknownModelError(f"{instrument.name}: the MODEL of {name!r} is a {type(found).__name__}, not a Model")
    return found
