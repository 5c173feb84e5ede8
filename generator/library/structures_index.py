"""The shipped CIF files by formula, without reading them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_HERE = Path(__file__).parent
_ELEMENT = re.compile(r"[A-Z][a-z]?")


@dataclass(frozen=True)
class PublishedStructure:
    """One structure of the library.

    Attributes:
        path: Its CIF.
        formula: Chemical formula, as usually written.
        spacegroup: International symbol, in the setting of the publication.
        source: Where cell and atoms were published.
        licence: Under what terms the file may be used.
    """

    path: Path
    formula: str
    spacegroup: str
    source: str
    licence: str

    @property
    def elements(self) -> frozenset[str]:
        """The symbols of the elements in it."""
        return frozenset(_ELEMENT.findall(self.formula))


def published_structures() -> tuple[PublishedStructure, ...]:
    """Give all structures of the library, in the order of its index."""
    index = json.loads((_HERE / "index.json").read_text(encoding="utf-8"))
    return tuple(
        PublishedStructure(
            path=_HERE / "structures" / entry["file"],
            formula=entry["formula"],
            spacegroup=entry["spacegroup"],
            source=entry["source"],
            licence=entry["licence"],
        )
        for entry in index["structures"]
    )


def structures(elements: Collection[str] | None = None) -> list[Path]:
    """Give the CIF files whose elements are a subset of `elements`; None gives all.

    >>> [path.name for path in structures(["Ba", "O"])]
    ['BaO-Fm-3m.cif', 'BaO2-I4mmm.cif']
    """
    return [s.path for s in published_structures() if elements is None or s.elements <= set(elements)]
