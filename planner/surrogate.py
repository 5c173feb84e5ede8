"""The surrogate models: Ax's own Gaussian process, and one for furnace hours that starts from the programme.

The measured hours are nearly a straight line in the programmed ones; a general process would spend the first
ten experiments on finding that out.
"""

from __future__ import annotations

import math

import torch
from ax.generators.torch.botorch_modular.surrogate import SurrogateSpec
from ax.generators.torch.botorch_modular.utils import ModelConfig
from botorch.models import SingleTaskGP
from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
from gpytorch.kernels import ScaleKernel
from gpytorch.priors import LogNormalPrior
from torch import Tensor

RESIDUAL_VARIANCE = 0.02
"""How much of the variance of measured hours is expected beside the line, before there are data."""


class LineInLastCoordinate(torch.nn.Module):
    """The least-squares line of the data over their last coordinate, not trained any further."""

    def __init__(self, train_x: Tensor, train_y: Tensor) -> None:
        super().__init__()
        x, y = train_x[:, -1], train_y[:, 0]  # n x d and n x 1 to n
        spread = (x - x.mean()).square().sum()
        slope = ((x - x.mean()) * (y - y.mean())).sum() / spread if spread > 0 else torch.zeros_like(spread)
        self.slope: Tensor = slope
        self.offset: Tensor = y.mean() - slope * x.mean()

    def forward(self, x: Tensor) -> Tensor:
        """Mean at ``... x n x d`` points, as ``... x n``."""
        return self.offset + self.slope * x[..., -1]


class ProgrammedHoursGP(SingleTaskGP):
    """A process for what is left after the line through the programmed hours, usually very little."""

    def __init__(self, train_X: Tensor, train_Y: Tensor, train_Yvar: Tensor | None = None) -> None:  # noqa: N803
        residual = ScaleKernel(
            get_covar_module_with_dim_scaled_prior(ard_num_dims=train_X.shape[-1]),
            outputscale_prior=LogNormalPrior(math.log(RESIDUAL_VARIANCE), 1.0),
        )
        residual.outputscale = RESIDUAL_VARIANCE
        super().__init__(
            train_X,
            train_Y,
            train_Yvar,
            covar_module=residual,
            mean_module=LineInLastCoordinate(train_X, train_Y),
            outcome_transform=None,
        )


def surrogate_spec(hours_metric: str | None) -> SurrogateSpec:
    """BoTorch's default process per metric, save for `hours_metric`, whose programme tells most of it."""
    general = ModelConfig(SingleTaskGP, input_transform_classes=None, name="general")
    hours = ModelConfig(ProgrammedHoursGP, input_transform_classes=None, name="programmed hours")
    special = {hours_metric: [hours]} if hours_metric else {}
    return SurrogateSpec(model_configs=[general], metric_to_model_configs=special)
