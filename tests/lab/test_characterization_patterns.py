"""Reading patterns: every format, and a sentence with file and place for every damaged one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.characterization import PatternError, radiation, read_pattern

ANGLES = np.round(np.arange(10, 12, 0.02), 2)
COUNTS = np.round(100 + 50 * np.sin(ANGLES)).astype(int)


def text_file(tmp_path: Path, name: str, separator: str = " ", header: str = "", extra: str = "") -> Path:
    path = tmp_path / name
    rows = [f"{a:.2f}{separator}{c}{extra}" for a, c in zip(ANGLES, COUNTS, strict=True)]
    path.write_text(header + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def xrdml(
    *,
    data: str | None = None,
    status: str = "Completed",
    axis: str = "2Theta",
    wavelength: str = "",
    scans: int = 1,
    version: str = "1.5",
) -> str:
    counts = " ".join(map(str, COUNTS))
    data = f'<intensities unit="counts">{counts}</intensities>' if data is None else data
    scan = f"""<scan appendNumber="0" mode="Continuous" scanAxis="Gonio" status="{status}">
      <header><source><instrumentID>aeris-7</instrumentID></source></header>
      <dataPoints>
        <positions axis="{axis}" unit="deg"><startPosition>{ANGLES[0]}</startPosition>
          <endPosition>{ANGLES[-1]}</endPosition></positions>
        <commonCountingTime unit="seconds">12.5</commonCountingTime>{data}
      </dataPoints></scan>"""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/{version}">
  <sample type="To be analyzed"><id>S-17</id></sample>
  <xrdMeasurement measurementType="Scan" status="Completed">{wavelength}{scan * scans}</xrdMeasurement>
</xrdMeasurements>"""


def write(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("separator", [" ", "\t", ",", ";", ", ", "    "])
@pytest.mark.parametrize("header", ["", "angle,intensity\n", "# measured by night\n! again\n\n", '"2theta" "counts"\n'])
def test_columns_are_read_whatever_parts_them(tmp_path: Path, separator: str, header: str) -> None:
    pattern = read_pattern(text_file(tmp_path, "a.csv", separator, header))
    np.testing.assert_allclose(pattern.two_theta_deg, ANGLES)
    np.testing.assert_allclose(pattern.counts, COUNTS)


def test_further_columns_are_left_alone(tmp_path: Path) -> None:
    pattern = read_pattern(text_file(tmp_path, "a.xye", extra="  7.5"))
    np.testing.assert_allclose(pattern.counts, COUNTS)


def test_decimal_commas_are_understood_between_semicolons(tmp_path: Path) -> None:
    rows = "\n".join(f"{a:.2f};{c}".replace(".", ",") for a, c in zip(ANGLES, COUNTS, strict=True))
    np.testing.assert_allclose(read_pattern(write(tmp_path, "a.csv", rows)).two_theta_deg, ANGLES)


def test_a_degree_sign_in_a_western_code_page_does_no_harm(tmp_path: Path) -> None:
    path = text_file(tmp_path, "a.xy")
    path.write_bytes("# 2θ in °\n".encode("utf-16-le").replace(b"\0", b"") + path.read_bytes())
    assert len(read_pattern(path).counts) == len(COUNTS)


def test_capital_endings_are_the_same_formats(tmp_path: Path) -> None:
    assert len(read_pattern(text_file(tmp_path, "a.XY")).counts) == len(COUNTS)


def test_without_a_word_on_it_the_radiation_is_copper(tmp_path: Path) -> None:
    pattern = read_pattern(text_file(tmp_path, "a.xy"))
    assert pattern.wavelength_angstrom == pytest.approx(1.5406, abs=1e-4)
    assert len(pattern.radiation.lines()) == 2
    assert (pattern.counting_time_s, pattern.instrument, pattern.sample_id) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "alpha1", "lines"),
    [
        ("CoKa", 1.7890, 2),
        ("MoKa", 0.7093, 2),
        ("AgKa", 0.5594, 2),
        ("CrKa", 2.2897, 2),
        ("FeKa", 1.9360, 2),
        ("CuKa1", 1.5406, 1),
        ("cuka", 1.5406, 2),
        (0.61992, 0.61992, 1),
        ("1.2", 1.2, 1),
    ],
)
def test_the_radiation_can_be_named_or_given_in_angstrom(
    tmp_path: Path, name: str | float, alpha1: float, lines: int
) -> None:
    pattern = read_pattern(text_file(tmp_path, "a.xy"), wavelength=name)
    assert pattern.wavelength_angstrom == pytest.approx(alpha1, abs=1e-4)
    assert len(pattern.radiation.lines()) == lines
    assert sum(share for _, share in pattern.radiation.lines()) == pytest.approx(1)


@pytest.mark.parametrize("name", ["CuKb", "", "-1", "nan", "15.4"])
def test_an_unknown_radiation_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(PatternError, match=r"expected one of .*CuKa, .* or 0\.1 to 5 angstrom"):
        radiation(name)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"  \n\n", "the file is empty"),
        (b"RAW1.01\0\0\0\0binary", "byte 7 is binary"),
        (b"hello\nworld\n", "no line with an angle and counts"),
        (b"10 5\n10.02 6\n10.04 x\n", "line 3: '10.04 x', expected an angle and counts"),
        (b"10 5\n10.02\n", "line 2: '10.02', expected an angle and counts"),
        (b"10 5\n10.02 6\n", "2 points, expected at least 50"),
    ],
)
def test_a_damaged_text_file_is_named_with_the_place(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "broken.xy"
    path.write_bytes(content)
    with pytest.raises(PatternError) as caught:
        read_pattern(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_falling_angles_are_refused_with_the_line(tmp_path: Path) -> None:
    lines = text_file(tmp_path, "a.xy", header="# one\n").read_text(encoding="utf-8").splitlines()
    lines[20], lines[21] = lines[21], lines[20]
    path = write(tmp_path, "b.xy", "\n".join(lines))
    with pytest.raises(PatternError, match=r"b\.xy, line 22: angle 10\.38 follows 10\.4, expected rising angles"):
        read_pattern(path)


@pytest.mark.parametrize("word", ["nan", "inf", "-inf"])
def test_what_is_not_a_finite_number_is_refused_with_the_line(tmp_path: Path, word: str) -> None:
    path = text_file(tmp_path, "a.xy")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[4] = f"{ANGLES[4]} {word}"
    with pytest.raises(PatternError, match="line 5: count is not a finite number"):
        read_pattern(write(tmp_path, "b.xy", "\n".join(lines)))


def test_angles_beyond_the_circle_are_refused(tmp_path: Path) -> None:
    rows = "\n".join(f"{150 + n} 5" for n in range(60))
    with pytest.raises(PatternError, match="150 to 209, expected 2theta within 0 to 180"):
        read_pattern(write(tmp_path, "a.xy", rows))


def test_a_missing_file_and_an_unknown_ending_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(PatternError, match="cannot be read"):
        read_pattern(tmp_path / "none.xy")
    with pytest.raises(PatternError, match=r"ending '\.docx' is unknown, expected \.xrdml"):
        read_pattern(tmp_path / "thesis.docx")


@pytest.mark.parametrize("version", ["1.0", "1.5", "2.1"])
def test_an_xrdml_tells_sample_instrument_and_time(tmp_path: Path, version: str) -> None:
    pattern = read_pattern(write(tmp_path, "a.xrdml", xrdml(version=version)))
    np.testing.assert_allclose(pattern.two_theta_deg, ANGLES, atol=1e-9)
    np.testing.assert_allclose(pattern.counts, COUNTS)
    assert (pattern.sample_id, pattern.instrument, pattern.counting_time_s) == ("S-17", "aeris-7", 12.5)


def test_the_wavelengths_of_an_xrdml_are_used_unless_others_are_asked_for(tmp_path: Path) -> None:
    used = """<usedWavelength intended="K-Alpha"><kAlpha1 unit="Angstrom">1.78901</kAlpha1>
      <kAlpha2 unit="Angstrom">1.7929</kAlpha2><ratioKAlpha2KAlpha1>0.5</ratioKAlpha2KAlpha1></usedWavelength>"""
    path = write(tmp_path, "a.xrdml", xrdml(wavelength=used))
    assert read_pattern(path).wavelength_angstrom == 1.78901
    assert read_pattern(path).radiation.alpha2_angstrom == 1.7929
    assert read_pattern(path, "CuKa1").wavelength_angstrom == pytest.approx(1.5406, abs=1e-4)


def test_raw_counts_are_multiplied_by_their_attenuation(tmp_path: Path) -> None:
    factors = np.where(np.arange(len(COUNTS)) > 50, 10, 1)
    data = f"<counts>{' '.join(map(str, COUNTS))}</counts>"
    data += f"<beamAttenuationFactors>{' '.join(map(str, factors))}</beamAttenuationFactors>"
    pattern = read_pattern(write(tmp_path, "a.xrdml", xrdml(data=data)))
    np.testing.assert_allclose(pattern.counts, COUNTS * factors)


def test_repeated_scans_are_added_up(tmp_path: Path) -> None:
    pattern = read_pattern(write(tmp_path, "a.xrdml", xrdml(scans=3)))
    np.testing.assert_allclose(pattern.counts, 3 * COUNTS)
    assert pattern.counting_time_s == 37.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (xrdml()[:400], "line 7, column .* not whole XML"),
        ("<a/>", "root element is <a>, expected <xrdMeasurements>"),
        ('<?xml version="1.0"?><xrdMeasurements/>', "<xrdMeasurements> has no <xrdMeasurement>"),
        (xrdml(scans=0), "no <scan> in the measurement"),
        (xrdml(status="Aborted"), "scan 1: its status is 'Aborted', expected 'Completed'"),
        (xrdml(axis="Omega"), "no 2Theta positions"),
        (xrdml(data=""), "<dataPoints> has no <counts>"),
        (xrdml(data="<counts>1 2 x</counts>"), "<counts> holds text"),
        (xrdml(data="<counts>1 2 3</counts>"), "3 points, expected at least 50"),
        (
            xrdml(data="<counts>1 2</counts><beamAttenuationFactors>1</beamAttenuationFactors>"),
            "1 attenuation factors for 2",
        ),
        ("", "not whole XML"),
    ],
)
def test_a_damaged_xrdml_is_named_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, "broken.xrdml", text)
    with pytest.raises(PatternError, match=said) as caught:
        read_pattern(path)
    assert str(caught.value).startswith(str(path))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 2000), garbage=st.binary(max_size=8))
def test_a_cut_or_garbled_file_never_raises_anything_else(tmp_path: Path, cut: int, garbage: bytes) -> None:
    for name, content in (("a.xrdml", xrdml().encode()), ("a.csv", text_file(tmp_path, "whole.csv", ",").read_bytes())):
        path = tmp_path / name
        path.write_bytes(content[:cut] + garbage + content[cut + 3 : -1])
        said = ""
        try:
            pattern = read_pattern(path)
        except PatternError as error:
            said = str(error)
        assert name in said or (len(pattern.counts) >= 50 and (np.diff(pattern.two_theta_deg) > 0).all())


def rasx(tmp_path: Path, profile: str, conditions: str | None = None, name: str = "Data0/Profile0.txt") -> Path:
    path = tmp_path / "a.rasx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, ("\ufeff" + profile).encode("utf-8"))
        if conditions is not None:
            archive.writestr("Data0/MesurementConditions0.xml", conditions)
    return path


PROFILE = "\r\n".join(f"{a}\t{c}\t2.0" for a, c in zip(ANGLES, COUNTS, strict=True))


def test_a_rasx_is_read_with_attenuation_and_wavelength(tmp_path: Path) -> None:
    conditions = """<Measurement><HWConfigurations><XrayGenerator><TargetName>Co</TargetName>
      <WavelengthKalpha1>1.78897</WavelengthKalpha1><WavelengthKalpha2>1.79285</WavelengthKalpha2>
      </XrayGenerator></HWConfigurations></Measurement>"""
    pattern = read_pattern(rasx(tmp_path, PROFILE, conditions))
    np.testing.assert_allclose(pattern.counts, 2 * COUNTS)
    assert pattern.wavelength_angstrom == 1.78897
    assert read_pattern(rasx(tmp_path, PROFILE)).wavelength_angstrom == pytest.approx(1.5406, abs=1e-4)


def test_a_damaged_rasx_is_named_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(PatternError, match=r"Profile0\.txt line 2: expected angle, intensity and attenuation"):
        read_pattern(rasx(tmp_path, "10 5 1\n10.02 x 1\n"))
    with pytest.raises(PatternError, match=r"no Data0/Profile0\.txt in the zip"):
        read_pattern(rasx(tmp_path, PROFILE, name="other.txt"))
    with pytest.raises(PatternError, match="not whole XML"):
        read_pattern(rasx(tmp_path, PROFILE, "<a>"))
    path = rasx(tmp_path, PROFILE)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(PatternError, match="not a whole zip"):
        read_pattern(path)


def test_what_is_not_bruker_says_what_was_expected(tmp_path: Path) -> None:
    old = tmp_path / "old.raw"
    old.write_bytes(b"RAW1.01" + bytes(400))
    with pytest.raises(PatternError, match=r"old\.raw: begins with b'RAW1\.01', expected Bruker RAW version 4"):
        read_pattern(old)
    cut = tmp_path / "cut.raw"
    cut.write_bytes(b"RAW4.00" + bytes(20))
    with pytest.raises(PatternError, match=r"cut\.raw: "):
        read_pattern(cut)
    fake = tmp_path / "fake.brml"
    fake.write_bytes(b"PK nothing")
    with pytest.raises(PatternError, match=r"fake\.brml: not a whole \.brml file"):
        read_pattern(fake)
