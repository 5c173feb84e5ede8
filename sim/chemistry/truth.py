"""The truth of one simulated world: the library's numbers with errors drawn from a seed.

Nothing outside the simulator opens it. Spreads and where they come from:

* reaction energies of mixed oxides: 24 meV per atom, the error of computed reaction energies
  (Hautier et al., Phys. Rev. B 85 (2012) 155208); shared by phases of the same cations, because such
  errors are correlated by chemistry. Phases that exchange gas keep to measured energies: 1.5 kJ/mol.
* rates: a factor with a standard deviation of 0.5 in its logarithm and activation energies of 4 %
  about the stated ones, together some 30 K in an onset (a guess on the careful side).
"""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from sim.chemistry.errors import ChemistryError
from sim.chemistry.library import Library, packaged_library, parse_library

if TYPE_CHECKING:
    from collections.abc import Mapping

_KJ_PER_EV = 96.485
_FILE = "truth.json"
_LIBRARY_FILE = "library.json"


@dataclass(frozen=True)
class Spread:
    """How far a drawn truth lies from the nominal one (standard deviations)."""

    mixed_oxide_ev_per_atom: float = 0.024
    measured_kj_per_mol: float = 1.5
    log_rate: float = 0.5
    activation: float = 0.04


@dataclass(frozen=True)
class Truth:
    """Numbers that decide what happens; make one with `nominal`, `draw` or `load`."""

    library: Library
    seed: int | None = None
    energy_error_kj_per_mol: "Mapping[str, float]" = field(default_factory=lambda: MappingProxyType({}))
    """Added to the Gibbs energy, by phase."""
    rate_factor: "Mapping[str, float]" = field(default_factory=lambda: MappingProxyType({}))
    """Multiplies every rate of a reaction, by reaction id."""
    activation_factor: "Mapping[str, float]" = field(default_factory=lambda: MappingProxyType({}))
    """Multiplies the activation energies of a reaction, by reaction id."""

    @classmethod
    def nominal(cls) -> "Truth":
        """Give the truth without errors: the library's own numbers."""
        return cls(packaged_library())

    @classmethod
    def draw(cls, seed: int, spread: Spread | None = None) -> "Truth":
        """Draw a truth; the same seed gives the same numbers."""
        library = packaged_library()
        rng = np.random.default_rng([seed, 0x7A])
        spread = spread or Spread()
        rates = {r.id: float(np.exp(spread.log_rate * rng.standard_normal())) for r in library.reactions}
        slopes = {r.id: 1 + spread.activation * float(rng.standard_normal()) for r in library.reactions}
        return cls(
            library,
            seed,
            MappingProxyType(_energy_errors(library, spread, rng)),
            MappingProxyType(rates),
            MappingProxyType(slopes),
        )

    @classmethod
    def load(cls, folder: Path) -> "Truth":
        """Read a truth from its folder. Raises `ChemistryError` when a file is missing or unfit."""
        try:
            raw = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            library = parse_library((folder / _LIBRARY_FILE).read_text(encoding="utf-8"))
            return cls(
                library,
                raw["seed"],
                *(
                    MappingProxyType(dict(raw[key]))
                    for key in ("energy_error_kj_per_mol", "rate_factor", "activation_factor")
                ),
            )
        except OSError as error:
            raise ChemistryError(
                f"truth folder {folder}: {error.filename} cannot be read ({error.strerror}); "
                f"it must hold {_FILE} and {_LIBRARY_FILE}"
            ) from error
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ChemistryError(
                f"truth folder {folder}: {_FILE} or {_LIBRARY_FILE} is not as it was written ({error}); "
                "take another copy"
            ) from error

    def save(self, folder: Path) -> None:
        """Write the truth, phases included, into a folder (made if missing)."""
        folder.mkdir(parents=True, exist_ok=True)
        numbers = {
            "seed": self.seed,
            "energy_error_kj_per_mol": dict(self.energy_error_kj_per_mol),
            "rate_factor": dict(self.rate_factor),
            "activation_factor": dict(self.activation_factor),
        }
        (folder / _FILE).write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
        (folder / _LIBRARY_FILE).write_text(self.library.document, encoding="utf-8")

    @cached_property
    def phases(self) -> tuple[str, ...]:
        """All solids of this truth, in the order that powders keep them."""
        return tuple(self.library.phases)


def _energy_errors(library: Library, spread: Spread, rng: np.random.Generator) -> dict[str, float]:
    shared = rng.standard_normal()
    errors = {}
    for phase in library.phases.values():
        own = rng.standard_normal()
        cations = [e for e in phase.elements if e not in ("O", "C", "H")]
        if len(cations) > 1:
            atoms = sum(phase.elements.values())
            size = spread.mixed_oxide_ev_per_atom * _KJ_PER_EV * atoms
            errors[phase.name] = float(size * (0.8 * shared + 0.6 * own))
        else:
            errors[phase.name] = float(spread.measured_kj_per_mol * own)
    return errors
