"""XRDML, the XML of PANalytical and Malvern instruments.

Root ``xrdMeasurements`` in a namespace whose version changes; ``xrdMeasurement`` holds ``usedWavelength``
and one or more ``scan``; a scan's ``dataPoints`` hold ``positions``, a counting time, and either
``intensities`` or raw ``counts``, which have yet to be multiplied by ``beamAttenuationFactors``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from lab.characterization._scan import RawScan
from lab.characterization.errors import PatternError
from lab.characterization.wavelengths import Radiation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def read(path: Path) -> RawScan:
    """Read all finished scans of the first measurement; repeated scans are added up.

    Raises:
        PatternError: Not XML, not XRDML, an unfinished scan, or parts missing.
    """
    root = _root(path)
    measurement = _need(path, root, "xrdMeasurement")
    scans = measurement.findall("{*}scan")
    if not scans:
        raise PatternError(f"{path}: no <scan> in the measurement, expected at least one")
    parts = [_scan(path, number, scan) for number, scan in enumerate(scans, start=1)]
    angles, counts = _joined(path, parts)
    return RawScan(
        two_theta_deg=angles,
        counts=counts,
        radiation=_radiation(path, measurement.find("{*}usedWavelength")),
        counting_time_s=_counting_time_s(path, scans),
        instrument=_text(scans[0], "{*}header/{*}source/{*}instrumentID"),
        sample_id=_text(root, "{*}sample/{*}id"),
    )


def _root(path: Path) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        line, column = error.position
        raise PatternError(
            f"{path}, line {line}, column {column}: not whole XML ({error.msg}), expected an XRDML file"
        ) from error
    except (ValueError, LookupError) as error:
        raise PatternError(f"{path}: its text encoding is unreadable ({error}), expected UTF-8") from error
    name = root.tag.rpartition("}")[2]
    if name != "xrdMeasurements":
        raise PatternError(f"{path}: root element is <{name}>, expected <xrdMeasurements>")
    return root


def _scan(path: Path, number: int, scan: ElementTree.Element) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give angles in degrees and counts of one scan."""
    status = scan.get("status", "Completed")
    if status != "Completed":
        raise PatternError(f"{path}, scan {number}: its status is {status!r}, expected 'Completed'")
    points = _need(path, scan, "dataPoints")
    counts = _counts(path, points)
    for positions in points.findall("{*}positions"):
        if positions.get("axis") == "2Theta":
            return _angles(path, positions, len(counts)), counts
    raise PatternError(f"{path}, scan {number}: no 2Theta positions, expected a scan over 2theta")


def _counts(path: Path, points: ElementTree.Element) -> NDArray[np.float64]:
    intensities = points.find("{*}intensities")
    if intensities is not None:
        return _floats(path, intensities)
    counts = _floats(path, _need(path, points, "counts"))
    factors = points.find("{*}beamAttenuationFactors")
    if factors is None:
        return counts
    values = _floats(path, factors)
    if len(values) != len(counts):
        raise PatternError(f"{path}: {len(values)} attenuation factors for {len(counts)} counts, expected one each")
    return counts * values


def _angles(path: Path, positions: ElementTree.Element, n_points: int) -> NDArray[np.float64]:
    listed = positions.find("{*}listPositions")
    if listed is not None:
        return _floats(path, listed)
    start = _floats(path, _need(path, positions, "startPosition"))
    end = _floats(path, _need(path, positions, "endPosition"))
    if len(start) != 1 or len(end) != 1:
        raise PatternError(f"{path}: start and end of the scan are not one number each, expected degrees")
    return np.linspace(start[0], end[0], n_points)


def _joined(
    path: Path, parts: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add scans over the same angles up, put scans over consecutive ranges one after the other."""
    angles, counts = parts[0]
    for number, (more_angles, more_counts) in enumerate(parts[1:], start=2):
        if len(more_angles) == len(angles) and np.allclose(more_angles, angles, atol=1e-6):
            counts = counts + more_counts
        elif len(more_angles) and len(angles) and more_angles[0] > angles[-1]:
            angles, counts = np.concatenate([angles, more_angles]), np.concatenate([counts, more_counts])
        else:
            raise PatternError(
                f"{path}, scan {number}: its angles overlap those of the scan before, "
                "expected the same range or the next one"
            )
    return angles, counts


def _radiation(path: Path, used: ElementTree.Element | None) -> Radiation | None:
    if used is None:
        return None
    values = {}
    for name in ("kAlpha1", "kAlpha2", "ratioKAlpha2KAlpha1"):
        element = used.find(f"{{*}}{name}")
        numbers = () if element is None else tuple(_floats(path, element))
        values[name] = numbers[0] if numbers else 0.0
    alpha1, alpha2, ratio = values.values()
    if alpha1 <= 0:
        return None
    single = alpha2 <= 0 or ratio <= 0 or used.get("intended") == "K-Alpha 1"
    return Radiation(alpha1) if single else Radiation(alpha1, alpha2, ratio)


def _counting_time_s(path: Path, scans: list[ElementTree.Element]) -> float | None:
    """Sum the time per point over repeated scans, None where a scan does not tell."""
    total = 0.0
    for scan in scans:
        element = scan.find("{*}dataPoints/{*}commonCountingTime")
        numbers = np.empty(0) if element is None else _floats(path, element)
        if len(numbers) != 1:
            return None
        total += float(numbers[0])
    return total


def _need(path: Path, parent: ElementTree.Element, name: str) -> ElementTree.Element:
    element = parent.find(f"{{*}}{name}")
    if element is None:
        raise PatternError(f"{path}: <{parent.tag.rpartition('}')[2]}> has no <{name}>, expected one")
    return element


def _text(parent: ElementTree.Element, where: str) -> str | None:
    return (parent.findtext(where) or "").strip() or None


def _floats(path: Path, element: ElementTree.Element) -> NDArray[np.float64]:
    words = (element.text or "").split()
    try:
        return np.asarray([float(word) for word in words], dtype=np.float64)
    except ValueError as error:
        name = element.tag.rpartition("}")[2]
        raise PatternError(f"{path}: <{name}> holds text ({error}), expected numbers") from error
