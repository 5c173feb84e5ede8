"""The two documents that a Quantos hands out: what a dosing head's chip says, and how the last dosing went."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from sim.plant import Care, Head

HEAD_QUANTITY_MG = 20_000.0
HEAD_DOSAGES = 999


@dataclass(frozen=True)
class Settings:
    """What QRD 1 1 has set."""

    target_mg: float = 0.0
    tolerance_percent: float = 1.0
    tolerance_mode: int = 0
    sample_id: str = ""
    user_id: str = ""
    tap_before: int = 0
    tap_while: int = 0
    tap_intensity: int = 40
    tap_s: int = 2
    algorithm: int = 0
    antistatic: int = 0

    @property
    def care(self) -> Care:
        """How to dose."""
        return Care(bool(self.algorithm), float(self.tap_s) if self.tap_before else 0.0, bool(self.tap_while))


def head_xml(head: Head) -> str:
    """Give the chip's contents of a dosing head (tag names with dots, as the manual prints them)."""
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<Info_head>
<Substance>{escape(head.lot.formula)}</Substance>
<Lot_ID>{escape(head.lot.name)}</Lot_ID>
<Filling_date>01.12.2025</Filling_date>
<Exp._date>{"01.12.2025" if head.expired else "01.12.2035"}</Exp._date>
<Retest_date>01.12.2035</Retest_date>
<Content Unit="mg">{HEAD_QUANTITY_MG:.2f}</Content>
<Rem._dosages>{HEAD_DOSAGES - head.dosages}</Rem._dosages>
<Dose_limit>{HEAD_DOSAGES}</Dose_limit>
<Dosing_counter>{head.dosages}</Dosing_counter>
<Rem._quantity Unit="mg">{head.content_mg:.2f}</Rem._quantity>
<Head_type>QH012</Head_type>
<Head_ID>{1000 + head.number}</Head_ID>
<Head_prod._date>01.06.2025</Head_prod._date>
<Levelcontrol>0</Levelcontrol>
</Info_head>"""


def result_xml(settings: Settings, content_mg: float, head: Head) -> str:
    """Give the record of a dosing; `content_mg` is what the balance found."""
    miss_mg = content_mg - settings.target_mg
    allowed_mg = settings.target_mg * settings.tolerance_percent / 100.0
    least_mg = 0.0 if settings.tolerance_mode else -allowed_mg
    validity = "valid" if least_mg <= miss_mg <= allowed_mg else "invalid"
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<Dosing>
<User_ID>{escape(settings.user_id)}</User_ID>
<Sample_ID>{escape(settings.sample_id)}</Sample_ID>
<Substance>{escape(head.lot.formula)}</Substance>
<Lot_ID>{escape(head.lot.name)}</Lot_ID>
<Target_quantity Unit="mg">{settings.target_mg:.2f}</Target_quantity>
<Content Unit="mg">{content_mg:.2f}</Content>
<Tolerance Unit="%">{settings.tolerance_percent:.1f}</Tolerance>
<Tolerance_Mode>{"0/+" if settings.tolerance_mode else "+/-"}</Tolerance_Mode>
<Powder_dosing_mode>{"Advanced" if settings.algorithm else "Standard"}</Powder_dosing_mode>
<Tapping_before_dosing>{"Yes" if settings.tap_before else "No"}</Tapping_before_dosing>
<Intensity Unit="%">{settings.tap_intensity}</Intensity>
<Validity>{validity}</Validity>
</Dosing>"""
