"""Columns of angle and counts, under the line that Bruker's exchange writes first."""

import numpy as np
from numpy.typing import NDArray


def write_xy(
    *, sample_id: str, from_deg: float, to_deg: float, counts: NDArray[np.float64], counting_time_s: float
) -> str:
    """Give the text of one scan.

    Args:
        sample_id: As told by whoever asked for the measurement.
        from_deg: First angle (degrees of 2theta).
        to_deg: Last angle.
        counts: Counts at equal steps between them.
        counting_time_s: Time at each step.
    """
    step_deg = (to_deg - from_deg) / (len(counts) - 1)
    first = (
        f'\'Id: "{sample_id}" Comment: "" Operator: "" Anode: "Cu" Scantype: "Coupled TwoTheta/Theta" '
        f'TimePerStep: "{counting_time_s:.4g}"'
    )
    rows = (f"{from_deg + i * step_deg:.4f} {count:.0f}" for i, count in enumerate(counts))
    return "\n".join([first, *rows, ""])
