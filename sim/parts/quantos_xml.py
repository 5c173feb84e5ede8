"""The two documents that a Quantos hands out: what a dosing head's chip says, and how the last dosing went."""

from __future__ import annotations

from typing import Protocol
from xml.sax.saxutils import escape

from sim.plant import Head

HEAD_QUANTITY_MG = 20_000.0
HEAD_DOSAGES = 999


class DosingSettings(Protocol):
    """What was asked for."""

    target_mg: float
    tolerance_percent: float
    tolerance_mode: int
    sample_id: str


def head_xml(head: Head) -> str:
    """Give the chip's contents of a dosing head (tag names with dots, as the manual prints them)."""
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<Info_head>
<Substance>{escape(head.lot.formula)}</Substance>
<Lot_ID>{escape(head.lot.name)}</Lot_ID>
<Content Unit="mg">{HEAD_QUANTITY_MG:.2f}</Content>
<Rem._dosages>{HEAD_DOSAGES - head.dosages}</Rem._dosages>
<Dose_limit>{HEAD_DOSAGES}</Dose_limit>
<Dosing_counter>{head.dosages}</Dosing_counter>
<Rem._quantity Unit="mg">{head.content_mg:.2f}</Rem._quantity>
<Head_type>QH012</Head_type>
<Head_ID>{1000 + head.number}</Head_ID>
</Info_head>"""


def result_xml(settings: DosingSettings, content_mg: float, head: Head) -> str:
    """Give the record of a dosing; `content_mg` is what the balance found."""
    miss_mg = content_mg - settings.target_mg
    allowed_mg = settings.target_mg * settings.tolerance_percent / 100.0
    least_mg = 0.0 if settings.tolerance_mode else -allowed_mg
    validity = "valid" if least_mg <= miss_mg <= allowed_mg else "invalid"
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<Dosing>
<Sample_ID>{escape(settings.sample_id)}</Sample_ID>
<Substance>{escape(head.lot.formula)}</Substance>
<Lot_ID>{escape(head.lot.name)}</Lot_ID>
<Target_quantity Unit="mg">{settings.target_mg:.2f}</Target_quantity>
<Content Unit="mg">{content_mg:.2f}</Content>
<Tolerance Unit="%">{settings.tolerance_percent:.1f}</Tolerance>
<Tolerance_Mode>{"0/+" if settings.tolerance_mode else "+/-"}</Tolerance_Mode>
<Powder_dosing_mode>Standard</Powder_dosing_mode>
<Validity>{validity}</Validity>
</Dosing>"""
