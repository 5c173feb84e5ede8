"""What a person sees before real instruments are started: who answered, who watches, what has tripped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from lab.startup import OpenLab


def preflight_table(opened: OpenLab) -> Table:
    """One row for each instrument, and one for what keeps heating locked out."""
    table = Table("device", "where", "answered", "watched by", title=f"preflight of lab {opened.config.name}")
    for name, device in opened.config.devices.items():
        where = Text(device.address, style="" if device.place.simulated else "bold")
        table.add_row(name, where, opened.answers[name], device.watched_by or "")
    causes = "; ".join(opened.safety.tripped()) or "nothing"
    table.add_row("safety", "", f"tripped: {causes}", "", style="bold red" if causes != "nothing" else "")
    return table
