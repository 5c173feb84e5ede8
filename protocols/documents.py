"""YAML files that people write: read with their line numbers, checked against a model, all faults at once.

ruamel.yaml reads YAML 1.2, in which ``on``, ``off`` and ``NO`` are text and ``1e-3`` is a number.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from protocols.quantities import parse_quantity, parse_range

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong in a file."""

    file: str
    line: int | None
    """Counted from 1; None where the file as a whole is meant."""
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.message}"


class DocumentError(ValueError):
    """A file that cannot be used; `faults` holds each reason."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class FileModel(BaseModel):
    """A mapping in a file: frozen, and a key that it does not know is an error that names the nearest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _keys_are_known(cls, data: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            raise PydanticCustomError("not_a_mapping", "expected keys and values, found {seen}", {"seen": _kind(data)})
        known = [field.alias or name for name, field in cls.model_fields.items()]
        unknown = [_unknown_key(key, known) for key in data if key not in known]
        try:
            model = check({key: value for key, value in data.items() if key in known})
        except ValidationError as error:
            # Both kinds of fault are told at once.
            raise ValidationError.from_exception_data(cls.__name__, [*unknown, *map(_again, error.errors())]) from None
        if unknown:
            raise ValidationError.from_exception_data(cls.__name__, unknown)
        return model


def _unknown_key(key: object, known: list[str]) -> InitErrorDetails:
    near = difflib.get_close_matches(str(key), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"allowed are {', '.join(known)}"
    context = {"key": repr(key), "hint": hint, "at": key}
    return {"type": PydanticCustomError("unknown_key", "unknown key {key}: {hint}", context), "input": key}


def _again(detail: ErrorDetails) -> InitErrorDetails:
    """A fault that was found already, to be raised once more beside others."""
    kind = PydanticCustomError(detail["type"], detail["msg"], detail.get("ctx"))
    return {"type": kind, "loc": detail["loc"], "input": detail["input"]}


def in_unit(unit: str) -> BeforeValidator:
    """Validate a text quantity into a float in `unit`."""
    return BeforeValidator(lambda text: parse_quantity(text, unit))


def range_in_unit(unit: str) -> BeforeValidator:
    """Validate a text range into (low, high) in `unit`."""
    return BeforeValidator(lambda text: parse_range(text, unit))


Celsius = Annotated[float, in_unit("degC")]
CelsiusPerMinute = Annotated[float, in_unit("degC/min")]
Seconds = Annotated[float, in_unit("s")]
Milligrams = Annotated[float, in_unit("mg")]
Degrees = Annotated[float, in_unit("deg")]
Rpm = Annotated[float, in_unit("rpm")]


def load_yaml(path: Path) -> Any:
    """Read a YAML file into mappings and lists that remember their lines.

    Raises:
        DocumentError: Where the file is missing, empty, cut short or no YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        data = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot be read ({error.strerror}): give the path of a file that exists"
        raise DocumentError([Fault(str(path), None, message)]) from None
    except UnicodeDecodeError:
        raise DocumentError([Fault(str(path), None, "is not UTF-8 text: give a YAML file")]) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DocumentError([Fault(str(path), line, _not_yaml(str(error.problem)))]) from None
    except YAMLError as error:
        raise DocumentError([Fault(str(path), None, f"is not valid YAML ({error})")]) from None
    if data is None:
        raise DocumentError([Fault(str(path), None, "is empty: `athanor init` writes commented examples")])
    return data


def _not_yaml(problem: str) -> str:
    twice = re.match(r'found duplicate key "(.*?)" with', problem)
    if twice:
        return f"the key {twice[1]!r} is given twice: keep one of them"
    return f"is not valid YAML ({problem}): is it cut short?"


def load_model(path: Path, model: type[Model]) -> Model:
    """Read a YAML file and check it against `model`.

    Raises:
        DocumentError: With every fault that was found, each with its line.
    """
    data = load_yaml(path)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise DocumentError([_fault(path, data, detail) for detail in error.errors()]) from None


def line_of(data: Any, keys: tuple[object, ...]) -> int | None:
    """The line, from 1, on which the value at `keys` stands in data that `load_yaml` gave."""
    line = None
    for key in keys:
        try:
            line = (data.lc.item(key) if hasattr(data, "append") else data.lc.key(key))[0] + 1
            data = data[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            continue
    return line


def _fault(path: Path, data: Any, detail: Any) -> Fault:
    keys = tuple(detail["loc"])
    context = detail.get("ctx") or {}
    line = line_of(data, (*keys, context["at"]) if "at" in context else keys)
    where = ".".join(str(key) for key in keys)
    message = _MESSAGES.get(detail["type"], lambda d: str(d["msg"]))(detail)
    return Fault(str(path), line, f"{where}: {message}" if where else message)


_MESSAGES: dict[str, Callable[[Any], str]] = {
    "missing": lambda d: "is missing and has no default: add it",
    "value_error": lambda d: str(d["ctx"]["error"]),
    "greater_than": lambda d: f"is {d['input']!r}, and must be greater than {d['ctx']['gt']:g}",
    "greater_than_equal": lambda d: f"is {d['input']!r}, and must be {d['ctx']['ge']:g} or more",
    "less_than": lambda d: f"is {d['input']!r}, and must be less than {d['ctx']['lt']:g}",
    "less_than_equal": lambda d: f"is {d['input']!r}, and must be {d['ctx']['le']:g} or less",
    "literal_error": lambda d: f"is {d['input']!r}, and must be {d['ctx']['expected']}",
    "enum": lambda d: f"is {d['input']!r}, and must be {d['ctx']['expected']}",
    "string_type": lambda d: f"is {d['input']!r}, and must be text",
    "int_type": lambda d: f"is {d['input']!r}, and must be a whole number",
}


def _kind(data: object) -> str:
    return "nothing" if data is None else repr(data) if isinstance(data, str | int | float | bool) else "a list"
