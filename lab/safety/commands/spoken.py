"""What a person can have a device do, and how the values are written: ``400 degC``, ``mass=100 mg tolerance=1 mg``.

The verbs are those of the driver; a value's kind comes from the signature of the verb's method, its unit from the
name of the parameter. A verb that takes what nobody can write in a line, such as a whole programme, is not offered.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from lab.errors import LabError
from protocols.quantities import QuantityError, parse_quantity

UNITS: Mapping[str, str] = MappingProxyType(
    {"degc_per_min": "degC/min", "degc": "degC", "mg": "mg", "s": "s", "rpm": "rpm", "mm": "mm", "sccm": "sccm"}
)
"""How the name of a parameter ends to its unit."""

_EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "degC/min": "5 degC/min",
        "degC": "400 degC",
        "mg": "100 mg",
        "s": "10 min",
        "rpm": "300 rpm",
        "mm": "5 mm",
        "sccm": "50 sccm",
    }
)
_SWITCH: Mapping[str, bool] = MappingProxyType(
    {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
)
_PAIR = re.compile(r"([A-Za-z_]\w*)\s*=\s*")


class SpokenError(LabError):
    """A verb or a value that the device does not have; one sentence."""


@dataclass(frozen=True)
class Parameter:
    """One value of a verb."""

    name: str
    """As the driver's method calls it."""
    kind: type
    """float, int, str or bool."""
    unit: str | None
    needed: bool

    @property
    def short(self) -> str:
        """The name without its unit."""
        ending = next((e for e, unit in UNITS.items() if unit == self.unit and self.name.endswith(f"_{e}")), None)
        return self.name if ending is None else self.name.removesuffix(f"_{ending}")

    @property
    def example(self) -> str:
        """What somebody could write."""
        if self.unit is not None:
            return _EXAMPLES[self.unit]
        return {bool: "yes", int: "1", float: "1.5"}.get(self.kind, "NAME")

    def read(self, text: str) -> object:
        """Turn what somebody wrote into the value.

        Raises:
            SpokenError: Where it is none.
        """
        text = text.strip()
        try:
            if self.unit is not None:
                return parse_quantity(text, self.unit)
            if self.kind is bool:
                return _SWITCH[text.lower()]
            return self.kind(text)
        except QuantityError as error:
            raise SpokenError(f"{self.short}: {error}") from None
        except (KeyError, ValueError):
            raise SpokenError(f"{self.short} is {text!r}, and must be written like {self.example}") from None


@dataclass(frozen=True)
class Verb:
    """One thing that a device can be told to do by hand."""

    name: str
    parameters: tuple[Parameter, ...]

    @property
    def usage(self) -> str:
        """How it is written.

        >>> Verb("set-setpoint", (Parameter("degc", float, "degC", True),)).usage
        'set-setpoint 400 degC'
        """
        if len(self.parameters) == 1:
            return f"{self.name} {self.parameters[0].example}"
        return " ".join([self.name, *(f"{p.short}={p.example}" for p in self.parameters)])

    def arguments(self, text: str | None) -> dict[str, object]:
        """Turn what somebody wrote after the verb into arguments of the driver's method.

        Raises:
            SpokenError: For a value that is missing, unknown or cannot be read.
        """
        written = self._split((text or "").strip())
        known = {p.short: p for p in self.parameters} | {p.name: p for p in self.parameters}
        found: dict[str, object] = {}
        for name, value in written.items():
            if name not in known:
                raise SpokenError(f"{self.name} has no {name!r}: write {self.usage}")
            found[known[name].name] = known[name].read(value)
        missing = [p.short for p in self.parameters if p.needed and p.name not in found]
        if missing:
            raise SpokenError(f"{self.name} needs {', '.join(missing)}: write {self.usage}")
        return found

    def _split(self, text: str) -> dict[str, str]:
        if not text:
            return {}
        starts = list(_PAIR.finditer(text))
        if not starts and len(self.parameters) == 1:
            return {self.parameters[0].name: text}
        if not starts or starts[0].start() != 0:
            raise SpokenError(f"{self.name} came with {text!r}: write {self.usage}")
        ends = [*(match.start() for match in starts[1:]), len(text)]
        return {match[1]: text[match.end() : end].strip() for match, end in zip(starts, ends, strict=True)}


def verbs_of(device: Any) -> dict[str, Verb]:
    """Everything that somebody can have a device do from a shell; looking is left out."""
    looks: frozenset[str] = getattr(device, "LOOKS", frozenset())
    methods: Mapping[str, str] = getattr(device, "VERBS", {})
    forms = {name: _verb(name, getattr(device, method)) for name, method in methods.items() if name not in looks}
    return {name: form for name, form in forms.items() if form is not None}


def _verb(name: str, method: Callable[..., object]) -> Verb | None:
    parameters = []
    for parameter in inspect.signature(method, eval_str=True).parameters.values():
        kind = _kind(parameter.annotation)
        if kind is None:
            return None
        needed = parameter.default is inspect.Parameter.empty
        parameters.append(Parameter(parameter.name, kind, _unit(parameter.name) if kind is float else None, needed))
    return Verb(name, tuple(parameters))


def _kind(annotation: Any) -> type | None:
    """The one plain type that an annotation allows, None aside."""
    allowed = [kind for kind in getattr(annotation, "__args__", (annotation,)) if kind is not type(None)]
    return allowed[0] if len(allowed) == 1 and allowed[0] in (float, int, str, bool) else None


def _unit(name: str) -> str | None:
    return next((unit for ending, unit in UNITS.items() if name == ending or name.endswith(f"_{ending}")), None)
