"""Result files: whether they are whole, and whose they are; and the files that start a measurement."""

from __future__ import annotations

import io
import struct
import xml.etree.ElementTree as ET
import zipfile

import pytest

from drivers.codecs import lablims, scan_files

XRDML = b"<xrdMeasurements><sample><id> S1 </id></sample><xrdMeasurement/></xrdMeasurements>\n"
XY = b'\'Id: "S1" Comment: ""\n10.00 120\n10.02 118\n'


def brml() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Experiment0/RawData0.xml", "<RawData/>" * 50)
    return packed.getvalue()


def raw(steps: int = 10) -> bytes:
    head = bytearray(712)
    head[:7], head[326:328] = b"RAW1.01", b"S1"
    return bytes(head) + struct.pack("<ii", 304, steps) + bytes(296) + bytes(4 * steps)


@pytest.mark.parametrize(
    ("name", "content"), [("S1.xrdml", XRDML), ("S1.XY", XY), ("S1.brml", brml()), ("S1.raw", raw())]
)
def test_what_is_whole_is_told_from_what_is_cut(name: str, content: bytes) -> None:
    assert scan_files.is_complete(name, content)
    for cut in (1, 9, len(content) // 2):
        assert not scan_files.is_complete(name, content[:cut])
    assert not scan_files.is_complete(name, content[:-2])


def test_what_is_known_of_a_newer_raw_file_is_its_beginning() -> None:
    assert scan_files.is_complete("S1.raw", b"RAW4.00" + bytes(100))
    assert scan_files.sample_of("S1.raw", b"RAW4.00" + bytes(100)) is None


@pytest.mark.parametrize("content", [b"", b"10 20\n", b"10 20\n11 much\n", b"# nothing\n"])
def test_columns_must_be_numbers(content: bytes) -> None:
    assert not scan_files.is_complete("S1.xy", content)


def test_other_files_are_no_results() -> None:
    assert not scan_files.is_complete("S1.tmp", XY)


@pytest.mark.parametrize(("name", "content"), [("a.xrdml", XRDML), ("a.xy", XY), ("a.raw", raw())])
def test_a_file_says_whose_it_is(name: str, content: bytes) -> None:
    assert scan_files.sample_of(name, content) == "S1"


@pytest.mark.parametrize(
    ("name", "content"), [("a.xrdml", XRDML.replace(b" S1 ", b"")), ("a.xy", b"10 20\n11 20\n"), ("a.brml", brml())]
)
def test_or_it_does_not(name: str, content: bytes) -> None:
    assert scan_files.sample_of(name, content) is None


def test_a_job_has_the_fields_of_the_reference() -> None:
    root = ET.fromstring(lablims.encode_job("1A02", "10-80deg-8min.bsml", "Full <Scan>.cs", 50))
    assert root.tag == "MeasurementJob"
    assert {child.tag: child.text for child in root} == {
        "SamplePosition": "1A02",
        "Priority": "50",
        "Permanent": "false",
        "ExperimentFileOrID": "10-80deg-8min.bsml",
        "ScriptFile": "Full <Scan>.cs",
    }


def test_parameters_name_their_sample() -> None:
    written = lablims.encode_params("S1", "10-80deg-8min")
    assert written == b"sample_id;program;\nS1;10-80deg-8min;\n"
    assert lablims.sample_of_params(written) == "S1"
    assert lablims.sample_of_params(b"start_angle;\n10;\n") is None


def test_a_list_of_angles_that_was_cut_at_a_line_is_known_by_where_its_programme_goes() -> None:
    content = b"".join(b"%.2f %d\n" % (10.0 + 0.02 * i, i) for i in range(3501))
    cut = content[: content.index(b"45.00 ")]
    assert scan_files.is_complete("S1.xy", cut)
    assert not scan_files.is_complete("S1.xy", cut, 80.0)
    assert scan_files.is_complete("S1.xy", content, 80.0)
