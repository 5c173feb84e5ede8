"""What Alicats of three firmwares say of themselves, as it was captured (instruments.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GASES: Mapping[int, str] = dict(
    enumerate(
        (
            *("Air", "Ar", "CH4", "CO", "CO2", "C2H6", "H2", "He", "N2", "N2O", "Ne", "O2", "C3H8", "nC4H10", "C2H2"),
            *("C2H4", "iC4H10", "Kr", "Xe", "SF6", "C-25", "C-10", "C-8", "C-2", "C-75", "He-25", "He-75", "A1025"),
            *("Star29", "P-5"),
        )
    )
) | {201: "H2-5"}
"""Code -> name. Mixes with hydrogen have other codes on other units."""
LONG_NAMES: Mapping[str, str] = {
    "Air": "Air",
    "Ar": "Argon",
    "H2": "Hydrogen",
    "He": "Helium",
    "N2": "Nitrogen",
    "O2": "Oxygen",
}
WORDS = ("OPL", "POV", "P2O", "TOV", "VOV", "MOV", "TMF", "OVR", "COM", "HLD", "EXH", "GTA", "LCK")
"""Status words of the latest firmware, in the order of its layout."""
YOUNG_WORDS = frozenset({"COM", "GTA"})
"""Those that 8v does not know yet."""
OLD_LAYOUT = """
{unit}  D00 NAME_______ TYPE_____ MinVal_  MaxVal_  UNITS__
{unit}  D01 Unit ID     char         A         Z         na
{unit}  D02 Pressure    signed    +000.00  +160.00     PSIA
{unit}  D03 Temperature signed    -010.00  +050.00        C
{unit}  D04 Volumetric  signed    +0000.0  {high}      CCM
{unit}  D05 Mass        signed    +0000.0  {high}     SCCM
{unit}  D06 SetPoint    signed    +0000.0  {high}     SCCM
{unit}  D07 Gas         string        Air       D2       na
{unit}  D08 Error       string         na      ADC       na
{unit}  D09 Status      string         na      LCK       na
{unit}  D10 Status      string         na      OVR       na
{unit}  D11 Status      string         na      POV       na
{unit}  D12 Status      string         na      TOV       na
{unit}  D13 Status      string         na      VOV       na
{unit}  D14 Status      string         na      MOV       na
"""


@dataclass(frozen=True)
class Firmware:
    """What a firmware can do."""

    text: str
    """As M09 has it."""
    date: str
    """As AVE has it beside that."""
    modern: bool = False
    """Whether it knows LS, LSS, LV, GS, DCU and the valve commands without $$."""
    full_scale: bool = True
    """Whether it knows FPF."""
    old_layout: bool = False
    words: tuple[str, ...] = WORDS


FIRMWARES: Mapping[str, Firmware] = {
    "10v20": Firmware("10v20.0-R24", "Jan  9 2025,15:04:07", modern=True),
    "8v17": Firmware("8v17.0-R23", "Nov 27 2019,15:28:45", words=tuple(w for w in WORDS if w not in YOUNG_WORDS)),
    "5v": Firmware(
        "5v12.0-R22",
        "Aug 14 2015,10:11:12",
        full_scale=False,
        old_layout=True,
        words=("LCK", "OVR", "POV", "TOV", "VOV", "MOV"),
    ),
}


def layout(firmware: Firmware, unit: str, decimals: int, full_scale: float) -> list[str]:
    """Give the rows that answer ??D*."""
    if firmware.old_layout:
        return OLD_LAYOUT.strip().format(unit=unit, high=f"{full_scale:+07.1f}").split("\n")
    width = f"7/{decimals}"
    rows = [
        (700, "Unit ID", "string", "1", ""),
        (2, "Abs Press", "s decimal", "7/2", "010 02 PSIA"),
        (3, "Flow Temp", "s decimal", "7/2", "002 02 `C"),
        (4, "Volu Flow", "s decimal", width, "012 02 CCM"),
        (5, "Mass Flow", "s decimal", width, "012 02 SCCM"),
        (37, "Mass Flow Setpt", "s decimal", width, "012 02 SCCM"),
        (703, "Gas", "string", "6", ""),
        (701, "*Error", "string", "3", "ADC"),
        *((702, "*Status", "string", "3", word) for word in firmware.words),
    ]
    head = f"{unit} D00 ID_ NAME______________________ TYPE_______ WIDTH NOTES___________________"
    return [
        head,
        *(
            f"{unit} D{n:02d} {statistic:03d} {name:<26} {kind:<11} {size:>5} {notes}".rstrip()
            for n, (statistic, name, kind, size, notes) in enumerate(rows, start=1)
        ),
    ]


def maker(firmware: Firmware, unit: str, model: str, serial: str) -> list[str]:
    """Give the rows that answer ??M*."""
    rows = (
        "ALICAT SCIENTIFIC",
        "www.alicat.com",
        "Ph   520-290-6060",
        "info@alicat.com",
        f"Model Number {model}",
        f"Serial Number {serial}",
        "Date Manufactured 03/02/2025",
        "Date Calibrated   03/02/2025",
        "Calibrated By     BL",
        f"Software Revision {firmware.text}",
    )
    return [f"{unit}  M{n:02d} {row}" for n, row in enumerate(rows)]


def gas_list(unit: str) -> list[str]:
    """Give the rows that answer ??G*."""
    return [f"{unit} G{code:02d}{name:>9}" for code, name in GASES.items()]
