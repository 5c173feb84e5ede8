"""A row of numbers as a signal."""

from __future__ import annotations

from drivers.parts.curves import Curve


def test_a_curve_is_described_with_an_open_length_and_its_unit() -> None:
    curve = Curve(name="spec-1_wavelengths_nm", units="nm", precision=2, dim="wavelength")
    curve.limit(350.0, 1100.0)
    entry = curve.describe()["spec-1_wavelengths_nm"]
    assert (entry["dtype"], entry["shape"], entry["dtype_numpy"], entry["dims"]) == (
        "array",
        [None],
        "<f8",
        ["wavelength"],
    )
    assert (entry["units"], entry["precision"], entry["upper_ctrl_limit"]) == ("nm", 2, 1100.0)


def test_a_curve_gives_what_was_shown_last() -> None:
    curve = Curve(name="curve")
    assert curve.get() == ()
    curve.show([1, 2.5], 10.0)
    assert curve.read() == {"curve": {"value": (1.0, 2.5), "timestamp": 10.0}}
    assert "dims" not in curve.describe()["curve"]
