"""The inventory file: lots of precursors and the labware that is there."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated

from pydantic import Field, field_validator

from protocols.documents import FileModel, Milligrams, in_unit

_ATOMS = r"(?:[A-Z][a-z]?(?:\d+(?:\.\d+)?)?)+"
_FORMULA = re.compile(rf"(?:{_ATOMS}|\({_ATOMS}\)\d*)+")


class LotFile(FileModel):
    """One bottle, as its label and its certificate of analysis describe it."""

    formula: str
    """The compound without its water of hydration."""
    assay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Mass fraction of the compound (with its water of hydration), the rest taken as inert."""
    hydrate: Annotated[float, Field(ge=0)] = 0.0
    """Moles of water per formula unit."""
    loss_on_ignition: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Mass fraction of moisture and the like that leaves on drying."""
    mass: Annotated[Milligrams, Field(gt=0)]
    grain: Annotated[float, in_unit("um"), Field(gt=0)] = 2.0
    """Median grain diameter in micrometre."""
    price: Annotated[float, Field(ge=0)] = 0.0
    """Per gram, in the laboratory's currency."""
    opened: date | None = None

    @field_validator("formula")
    @classmethod
    def _formula_can_be_read(cls, formula: str) -> str:
        if not _FORMULA.fullmatch(formula):
            raise ValueError(f"{formula!r} is no chemical formula: write it like BaTiO3 or Ba(OH)2, without its water")
        return formula


class InventoryFile(FileModel):
    """What is in store."""

    lots: Annotated[dict[str, LotFile], Field(min_length=1)]
    vials: Annotated[int, Field(gt=0)]
    crucibles: Annotated[int, Field(gt=0)]
    holders: Annotated[int, Field(gt=0)]

    def lot_named(self, text: str) -> str:
        """The lot that a recipe or campaign means by a lot's name or a formula.

        Raises:
            ValueError: Where there is none, or several have the formula.
        """
        if text in self.lots:
            return text
        matching = [name for name, lot in self.lots.items() if lot.formula == text]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise ValueError(f"precursor {text!r} fits the lots {', '.join(matching)}: name one of them")
        raise ValueError(f"precursor {text!r} is not in the inventory: there are {', '.join(self.lots)}")
