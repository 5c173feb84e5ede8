"""The picture of an analysis: measured, fitted, difference, and where each claimed phase has its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from lab.characterization.patterns import Pattern
    from lab.characterization.result import Characterization

# Okabe & Ito's palette, told apart by all common kinds of colour blindness; black is the measurement.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
_FITTED = "#D55E00"
_MEASURED = "#404040"
_LONGEST_NAME = 18
_SUBSCRIPT = str.maketrans("0123456789.", "₀₁₂₃₄₅₆₇₈₉.")


def plot_fit(
    pattern: Pattern,
    characterization: Characterization,
    path: str | Path,
    title: str,
    simulated: bool,
) -> None:
    """Write the picture of a fit as a PNG of 1500 by 975 points.

    Args:
        pattern: What was measured; names the radiation.
        characterization: What was found in it.
        path: The file to write.
        title: The headline, usually the sample.
        simulated: Mark the picture as not measured on a real instrument.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    # The padding leaves room for the phases' names beside their ticks.
    figure = Figure(figsize=(10, 6.5), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.06))
    FigureCanvasAgg(figure)
    rows = max(1, len(characterization.phases))
    upper, ticks, lower = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [6, 0.22 * rows + 0.15, 1.5], "hspace": 0.02}
    )
    _draw_curves(upper, characterization)
    _draw_ticks(ticks, characterization)
    _draw_difference(lower, characterization)
    lower.set_xlabel(f"2θ (degrees), λ = {pattern.wavelength_angstrom:.4f} Å")
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    upper.set_title(_summary(characterization), loc="left", fontsize=9, color="#555555", wrap=True)
    figure.align_ylabels((upper, lower))
    if simulated:
        _mark_simulated(upper)
    figure.savefig(path, dpi=150)


def _draw_curves(axes: Any, found: Characterization) -> None:
    """Draw counts on a square-root scale, on which weak phases and noise are seen beside strong peaks."""
    curves = found.curves
    axes.set_yscale("function", functions=(lambda y: np.sqrt(np.maximum(y, 0)), np.square))
    axes.plot(curves.two_theta_deg, curves.measured, ".", ms=2.2, color=_MEASURED, label="measured")
    axes.plot(curves.two_theta_deg, curves.fitted, "-", lw=1.0, color=_FITTED, label="fitted")
    axes.plot(curves.two_theta_deg, curves.background, "--", lw=0.8, color="#888888", label="background")
    top = float(np.max(curves.measured, initial=1.0))
    low = float(np.min(curves.background, initial=top))
    axes.set_ylim(max(0.0, 0.6 * low), 1.08 * max(top, 1e-9))
    axes.set_ylabel("counts (square-root scale)")
    axes.legend(loc="upper right", frameon=False, fontsize=9, markerscale=3)
    axes.margins(x=0.005)
    _clean(axes)


def _draw_ticks(axes: Any, found: Characterization) -> None:
    for row, (phase, angles) in enumerate(zip(found.phases, found.curves.ticks, strict=True)):
        colour = _COLOURS[row % len(_COLOURS)]
        axes.vlines(angles, -row - 0.38, -row + 0.38, color=colour, lw=1.0)
        share = f"{100 * phase.weight_fraction:.1f} ± {100 * phase.weight_fraction_sd:.1f} wt%"
        name = phase.formula if len(phase.formula) <= _LONGEST_NAME else phase.formula[: _LONGEST_NAME - 1] + "…"
        label = f"{name.translate(_SUBSCRIPT)}  {phase.spacegroup}  {share}"
        axes.text(1.005, -row, label, transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=colour)
    if not found.phases:
        axes.text(0.5, 0, "no phase claimed", transform=axes.get_yaxis_transform(), ha="center", va="center")
    axes.set_ylim(-max(1, len(found.phases)) + 0.4, 0.6)
    axes.set_yticks([])
    axes.tick_params(bottom=False)
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_difference(axes: Any, found: Characterization) -> None:
    curves = found.curves
    axes.axhline(0, color="#AAAAAA", lw=0.8)
    axes.plot(curves.two_theta_deg, curves.measured - curves.fitted, "-", lw=0.7, color=_MEASURED)
    axes.set_ylabel("difference")
    _clean(axes)


def _clean(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color="#EEEEEE", lw=0.8)
    axes.set_axisbelow(True)


def _summary(found: Characterization) -> str:
    parts = [
        f"unexplained {100 * found.unknown_fraction:.1f} %",
        f"R_wp {100 * found.r_wp:.1f} %",
        f"confidence {found.confidence:.2f}",
    ]
    text = "   ".join(parts)
    return f"{text}\nneeds review: {found.review_reason}" if found.needs_review else text


def _mark_simulated(axes: Any) -> None:
    axes.text(
        0.5,
        0.5,
        "SIMULATED",
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=54,
        fontweight="bold",
        color="#000000",
        alpha=0.10,
        zorder=0,
    )
