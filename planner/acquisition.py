"""Ax's acquisition with the optimiser replaced: it hands its scores to a search over real candidates.

Ax's own mixed optimiser costs 5 to 20 CPU seconds a recipe and proposes settings that exist nowhere; ranking
a pool costs a tenth and every candidate is legal. Model, objective thresholds, constraints, pending points
and the choice of acquisition function (qLogNEHVI; probability of feasibility while nothing is feasible)
remain Ax's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from ax.core.search_space import SearchSpaceDigest
from ax.generators.torch.botorch_modular.acquisition import Acquisition
from torch import Tensor

CHUNK = 256
"""Candidates scored at once; bounds the memory of the Monte Carlo samples."""

Evaluate = Callable[[Tensor], Tensor]
"""From ``n x d`` coordinates in the unit cube to ``n`` acquisition values."""
Search = Callable[[Evaluate, str], Tensor]
"""Given the scores and the acquisition's name, finds the ``1 x d`` coordinates of the best candidate."""


class PoolAcquisition(Acquisition):
    """Leaves the search to `options["search"]`, a `Search`."""

    def optimize(
        self,
        n: int,
        search_space_digest: SearchSpaceDigest,
        inequality_constraints: list[tuple[Tensor, Tensor, float]] | None = None,
        equality_constraints: list[tuple[Tensor, Tensor, float]] | None = None,
        fixed_features: dict[int, float] | None = None,
        rounding_func: Callable[[Tensor], Tensor] | None = None,
        optimizer_options: dict[str, Any] | None = None,
        candidate_set: Tensor | None = None,
        sampling_strategy: object | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Give the best candidate, its acquisition value and its weight 1.

        One at a time: diversity within a batch comes from the pending points that the acquisition function
        already holds. What Ax adds for its own optimiser (rounding, linear constraints) has no use here.
        """
        search: Search = self.options["search"]
        best = search(self._values, type(self.acqf).__name__)
        return best, self._values(best), torch.ones(1, dtype=best.dtype)

    def _values(self, coordinates: Tensor) -> Tensor:
        """Acquisition value of each candidate alone (q = 1), ``n x d`` to ``n``."""
        with torch.no_grad():
            return torch.cat([self.acqf(chunk.unsqueeze(1)) for chunk in torch.split(coordinates, CHUNK)])
