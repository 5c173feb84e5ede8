"""What every event of the state is made of.

Masses are milligrams, temperatures degrees Celsius, times lab seconds.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

AUTO = "auto"
"""The actor of what the laboratory does by itself; every other actor is a person."""

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""What something is called: one line."""
Text = Annotated[str, Field(max_length=10_000, pattern=r"^[^\x00]*$")]
"""What somebody says; a database cannot keep the zero character."""
Said = Annotated[str, Field(min_length=1, max_length=10_000, pattern=r"^[^\x00]+$")]
"""What somebody has to say."""
Amount = Annotated[float, Field(ge=0)]
Some = Annotated[float, Field(gt=0)]
Elements = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")], ...], Field(min_length=1)]
"""Symbols of the elements of a chemistry."""


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(told, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"must be what JSON can say ({error})") from None
    return told


Plain = Annotated[dict[str, Any], AfterValidator(_plain)]
"""What JSON can say."""


class Told(BaseModel):
    """A part of an event: frozen, and without numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Place(Told):
    """Where something is: at a position such as ``furnace-1/3``, or inside a ware."""

    position: Name | None = None
    inside: Name | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Place:
        if (self.position is None) == (self.inside is None):
            raise ValueError("a place is either a position or inside a ware: write one of the two")
        return self

    def __str__(self) -> str:
        return self.position if self.position is not None else f"in {self.inside}"


class Event(Told):
    """Something that happens to samples, wares, stock, tasks or stations."""

    KIND: ClassVar[str]
    """The journal's kind; its first word, up to the dot, names what it happens to."""
    BY_A_PERSON: ClassVar[bool] = False
    """Whether the laboratory cannot tell it by itself."""

    def fields(self) -> dict[str, Any]:
        """What to write into the journal beside the kind."""
        return self.model_dump(mode="json")
