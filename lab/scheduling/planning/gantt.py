"""Plans as Gantt charts, one below the other on one time axis, to be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.scheduling.planning.job import Kind
from lab.scheduling.planning.shop import Shop
from lab.scheduling.planning.snapshot import Booking, Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, told apart by colour-blind readers.
_COLOURS = {
    Kind.DOSE: "#E69F00",
    Kind.MIX: "#F0E442",
    Kind.REGRIND: "#CC79A7",
    Kind.LOAD: "#999999",
    Kind.WEIGH: "#444444",
    Kind.RECOVER: "#009E73",
    Kind.MEASURE: "#0072B2",
}
_OTHER = "#56B4E9"
_FIRE = "#D55E00"
_DAY_S = 86400.0


def plot_plans(path: Path, plans: Mapping[str, Plan], shop: Shop, *, simulated: bool) -> None:
    """Draw which station is taken when, in days since each plan's start.

    A batch is the darker the more of its furnace's places are filled.

    Args:
        path: Where the PNG goes.
        plans: Title to plan, in the order from the top.
        shop: Whose stations are drawn.
        simulated: Whether to mark the picture so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [*shop.furnace, *shop.stations]
    figure = Figure(figsize=(14.0, (0.9 + 0.22 * len(rows)) * len(plans)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(plans), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (title, plan) in zip(panels, plans.items(), strict=True):
        _draw(panel, plan, shop, rows)
        panel.set_title(
            f"{title}: {plan.makespan_s / _DAY_S:.2f} d, {len(plan.firings)} batches", loc="left", fontsize=9
        )
    panels[-1].set_xlabel("lab time / d")
    if simulated:
        figure.text(0.995, 0.995, "SIMULATED", ha="right", va="top", fontsize=9, color="#0072B2", weight="bold")
    figure.savefig(path, dpi=110)


def _draw(panel: Axes, plan: Plan, shop: Shop, rows: Sequence[str]) -> None:
    for row, name in enumerate(rows):
        bookings = [b for b in plan.bookings if b.station == name]
        panel.broken_barh(
            [((b.start_s - plan.start_s) / _DAY_S, (b.end_s - b.start_s) / _DAY_S) for b in bookings],
            (row - 0.38, 0.76),
            facecolors=[_colour(b, shop) for b in bookings],
            edgecolor="white",
            linewidth=0.3 if name in shop.furnace else 0.0,
        )
    panel.axvline(plan.makespan_s / _DAY_S, color="black", linewidth=0.8, linestyle=":")
    panel.set_yticks(range(len(rows)), rows, fontsize=7)
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.margins(x=0.01)


def _colour(booking: Booking, shop: Shop) -> tuple[str, float]:
    if booking.kind is not Kind.FIRE:
        return _COLOURS.get(booking.kind, _OTHER), 1.0
    return _FIRE, 0.25 + 0.75 * len(booking.samples) / shop.furnace[booking.station].places
