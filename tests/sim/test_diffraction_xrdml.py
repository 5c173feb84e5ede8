"""The instrument's file, read by the standard library and by a reader that is not ours."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from sim.diffraction import Instrument, write_xrdml

NS = {"x": "http://www.xrdml.com/XRDMeasurement/1.5"}
COUNTS = np.array([5.0, 7.0, 120.0, 8.0, 6.0])


def text(path: Path | None = None, sample_id: str = "S-17", instrument: Instrument | None = None) -> str:
    return write_xrdml(
        path,
        sample_id=sample_id,
        from_deg=10.0,
        to_deg=10.08,
        counts=COUNTS,
        counting_time_s=0.12,
        start_s=1_700_000_000.0,
        end_s=1_700_000_480.0,
        instrument=instrument,
    )


@pytest.fixture
def root() -> ET.Element:
    return ET.fromstring(text())


def said(root: ET.Element, path: str) -> str:
    """The text of the one element at a path of plain names."""
    found = root.findall("/".join(f"x:{step}" for step in path.split("/")), NS)
    assert len(found) == 1
    return found[0].text or ""


def test_the_root_names_the_format_and_its_version(root: ET.Element) -> None:
    assert root.tag == "{http://www.xrdml.com/XRDMeasurement/1.5}xrdMeasurements"
    assert root.get("status") == "Completed"


def test_the_sample_is_told_apart(root: ET.Element) -> None:
    assert said(root, "sample/id") == "S-17"


def test_counts_positions_and_time_are_there(root: ET.Element) -> None:
    data = "xrdMeasurement/scan/dataPoints"
    assert float(said(root, f"{data}/positions[@axis='2Theta']/startPosition")) == 10.0
    assert float(said(root, f"{data}/positions[@axis='2Theta']/endPosition")) == 10.08
    assert float(said(root, f"{data}/commonCountingTime")) == 0.12
    assert said(root, f"{data}/intensities") == "5 7 120 8 6"


def test_times_are_lab_time_with_a_zone(root: ET.Element) -> None:
    assert said(root, "xrdMeasurement/scan/header/startTimeStamp") == "2023-11-14T22:13:20+00:00"
    assert said(root, "xrdMeasurement/scan/header/endTimeStamp") == "2023-11-14T22:21:20+00:00"


def test_wavelengths_and_tube_are_those_of_the_instrument() -> None:
    root = ET.fromstring(text(instrument=Instrument(radius_mm=240.0, current_ma=40.0)))
    assert float(said(root, "xrdMeasurement/usedWavelength/kAlpha1")) == pytest.approx(1.540598)
    assert float(said(root, "xrdMeasurement/usedWavelength/ratioKAlpha2KAlpha1")) == 0.5
    assert float(said(root, "xrdMeasurement/incidentBeamPath/radius")) == 240.0
    assert float(said(root, "xrdMeasurement/incidentBeamPath/xRayTube/current")) == 40.0


def test_a_name_with_signs_of_markup_survives() -> None:
    root = ET.fromstring(text(sample_id='<a> & "b"'))
    assert root.findtext("x:sample/x:id", namespaces=NS) == '<a> & "b"'


def test_the_file_holds_the_text_that_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "S-17.xrdml"
    assert text(path) == path.read_text(encoding="utf-8")


def test_a_reader_that_is_not_ours_reads_it(tmp_path: Path) -> None:
    readers = pytest.importorskip("fairmat_readers_xrd")
    path = tmp_path / "S-17.xrdml"
    text(path)
    read = readers.read_panalytical_xrdml(str(path))
    assert read["metadata"]["sample_id"] == "S-17"
    assert np.ravel(read["intensity"].magnitude) == pytest.approx(COUNTS)
    assert np.ravel(read["2Theta"].magnitude) == pytest.approx(np.linspace(10.0, 10.08, 5))
