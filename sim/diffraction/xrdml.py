"""The diffractometer's own file: XRDML 1.5, one scan in it.

xrdMeasurements > sample > id
                > xrdMeasurement > usedWavelength > kAlpha1, kAlpha2, kBeta, ratioKAlpha2KAlpha1
                                 > incidentBeamPath > radius, xRayTube > tension, current, anodeMaterial
                                 > scan > header > startTimeStamp, endTimeStamp
                                        > dataPoints > positions, commonCountingTime, intensities
"""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.diffraction.instrument import Instrument
from sim.diffraction.scattering import WAVELENGTH_1_ANGSTROM, WAVELENGTH_2_ANGSTROM

NAMESPACE = "http://www.xrdml.com/XRDMeasurement/1.5"
_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
_K_BETA_ANGSTROM = 1.392250


def write_xrdml(
    path: Path | None,
    *,
    sample_id: str,
    from_deg: float,
    to_deg: float,
    counts: NDArray[np.float64],
    counting_time_s: float,
    start_s: float,
    end_s: float,
    instrument: Instrument | None = None,
) -> str:
    """Write one scan and give the text.

    Args:
        path: File to write; None writes none.
        sample_id: As told by whoever asked for the measurement; may be empty.
        from_deg: First angle (degrees of 2theta).
        to_deg: Last angle.
        counts: Counts at equal steps between them.
        counting_time_s: Time at each step.
        start_s: Lab time of the start (POSIX seconds); `end_s` of the end.
        end_s: See `start_s`.
        instrument: The diffractometer; a usual one if left out.
    """
    root = _element(None, "xrdMeasurements", status="Completed")
    root.set("xmlns", NAMESPACE)
    root.set("xmlns:xsi", _SCHEMA)
    root.set("xsi:schemaLocation", f"{NAMESPACE} {NAMESPACE}/XRDMeasurement.xsd")
    sample = _element(root, "sample", type="To be analyzed")
    _element(sample, "id", sample_id)
    measurement = _element(root, "xrdMeasurement", measurementType="Scan", status="Completed", sampleMode="Reflection")
    _optics(measurement, instrument or Instrument())
    scan = _element(measurement, "scan", appendNumber="0", mode="Continuous", scanAxis="Gonio", status="Completed")
    header = _element(scan, "header")
    _element(header, "startTimeStamp", _stamp(start_s))
    _element(header, "endTimeStamp", _stamp(end_s))
    data = _element(scan, "dataPoints")
    for axis, half in (("2Theta", 1.0), ("Omega", 0.5)):
        scale = _element(data, "positions", axis=axis, unit="deg")
        _element(scale, "startPosition", f"{from_deg * half:.8f}")
        _element(scale, "endPosition", f"{to_deg * half:.8f}")
    _element(data, "commonCountingTime", f"{counting_time_s:.6f}", unit="seconds")
    _element(data, "intensities", " ".join(f"{n:.0f}" for n in counts), unit="counts")
    ET.indent(root, "\t")
    text = '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
    if path is not None:
        path.write_text(text, encoding="utf-8")
    return text


def _optics(measurement: ET.Element, machine: Instrument) -> None:
    used = _element(measurement, "usedWavelength", intended="K-Alpha")
    _element(used, "kAlpha1", f"{WAVELENGTH_1_ANGSTROM:.7f}", unit="Angstrom")
    _element(used, "kAlpha2", f"{WAVELENGTH_2_ANGSTROM:.7f}", unit="Angstrom")
    _element(used, "kBeta", f"{_K_BETA_ANGSTROM:.7f}", unit="Angstrom")
    _element(used, "ratioKAlpha2KAlpha1", f"{machine.k_alpha2_ratio:.4f}")
    beam = _element(measurement, "incidentBeamPath")
    _element(beam, "radius", f"{machine.radius_mm:.2f}", unit="mm")
    tube = _element(beam, "xRayTube", name="Cu")
    _element(tube, "tension", f"{machine.tension_kv:.0f}", unit="kV")
    _element(tube, "current", f"{machine.current_ma:.0f}", unit="mA")
    _element(tube, "anodeMaterial", "Cu")


def _element(parent: ET.Element | None, tag: str, text: str | None = None, **attributes: str) -> ET.Element:
    element = ET.Element(tag, attributes) if parent is None else ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _stamp(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, tz=UTC).isoformat(timespec="seconds")
