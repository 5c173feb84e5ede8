"""Pictures of a campaign: the trade-off between its objectives, and who worked when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lab.scheduling.sample_run import Span

# Okabe and Ito's palette, told apart by colour-blind readers.
_TASK_COLOURS = {
    "dose": "#E69F00",
    "mix": "#F0E442",
    "regrind": "#CC79A7",
    "load": "#999999",
    "fire": "#D55E00",
    "cool": "#56B4E9",
    "recover": "#999999",
    "measure": "#0072B2",
}

Point = Mapping[str, float]


def plot_pareto(
    path: Path,
    axes: tuple[str, str],
    units: Mapping[str, str],
    points: Mapping[str, Point],
    front: Sequence[str],
    *,
    simulated: bool,
) -> None:
    """Draw every sample by two objectives, the best trade-offs joined.

    Args:
        path: Where the PNG goes.
        axes: Names of the objectives on x and y.
        units: Unit of each objective.
        points: Sample to objective values; a sample without both is left out.
        front: Samples that no other one beats in both.
        simulated: Whether to mark the picture so.
    """
    figure, ax = _figure((7.0, 5.0), simulated=simulated)
    x, y = axes
    drawn = {name: point for name, point in points.items() if x in point and y in point}
    others = [name for name in drawn if name not in front]
    ax.scatter([drawn[n][x] for n in others], [drawn[n][y] for n in others], color="#999999", label="tried")
    best = sorted((n for n in front if n in drawn), key=lambda n: drawn[n][x])
    ax.plot(
        [drawn[n][x] for n in best],
        [drawn[n][y] for n in best],
        "o-",
        color="#D55E00",
        label="best trade-offs",
    )
    for name in drawn:
        ax.annotate(
            name.rpartition("-")[2],
            (drawn[name][x], drawn[name][y]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=8,
        )
    ax.set_xlabel(_label(x, units))
    ax.set_ylabel(_label(y, units))
    ax.legend(loc="best", frameon=False)
    figure.savefig(path, dpi=150)


def plot_gantt(path: Path, spans: Sequence[Span], start_s: float, *, simulated: bool) -> None:
    """Draw which station worked on which sample when, in hours since `start_s`."""
    stations = sorted({span.station for span in spans}, reverse=True)
    figure, ax = _figure((11.0, 1.2 + 0.55 * len(stations)), simulated=simulated)
    for span in spans:
        left_h, width_h = (span.start_s - start_s) / 3600, (span.end_s - span.start_s) / 3600
        row, kind = stations.index(span.station), span.task.split()[0]
        ax.barh(
            row,
            width_h,
            left=left_h,
            height=0.7,
            color=_TASK_COLOURS.get(kind, "#56B4E9"),
            edgecolor="white",
            linewidth=0.5,
        )
        if kind == "fire":
            ax.text(
                left_h + width_h / 2,
                row,
                span.sample.rpartition("-")[2],
                ha="center",
                va="center",
                fontsize=8,
                color="white",
            )
    ax.set_yticks(range(len(stations)), stations)
    ax.set_xlabel("lab time / h")
    kinds = dict.fromkeys(span.task.split()[0] for span in spans)
    handles = [ax.barh(0, 0, color=_TASK_COLOURS.get(kind, "#56B4E9"), label=kind) for kind in kinds]
    ax.legend(
        handles=handles,
        ncols=len(kinds),
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        frameon=False,
        fontsize=8,
    )
    figure.savefig(path, dpi=150)


def _figure(size: tuple[float, float], *, simulated: bool) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    if simulated:
        figure.text(0.995, 0.995, "SIMULATED", ha="right", va="top", fontsize=9, color="#0072B2", weight="bold")
    return figure, ax


def _label(name: str, units: Mapping[str, str]) -> str:
    words = name.replace("_", " ")
    return f"{words} / {units[name]}" if units.get(name) else words
