"""Rules of stations: leases, blocked positions, barcodes and calibrations."""

from __future__ import annotations

import json

from lab.records.state import events, tables
from lab.records.state.changes import Change, Entry
from lab.records.state.errors import RefusedError
from lab.records.state.rows import Rows


def lease_taken(rows: Rows, event: events.LeaseTaken) -> list[Change]:
    """A station has one holder."""
    if rows.lease(event.lease) is not None:
        raise RefusedError(f"lease {event.lease}: was given out already: give each lease a name of its own")
    out = rows.lease_of(event.station)
    if out is not None:
        raise RefusedError(f"{event.station}: {out.holder} has it since {out.taken_s:.0f} s: wait until it is back")
    row = {"id": event.lease, "station": event.station, "holder": event.holder, "taken_s": Entry.TIME}
    return [Change(tables.LEASES, row)]


def lease_returned(rows: Rows, event: events.LeaseReturned) -> list[Change]:
    """A station is free."""
    lease = rows.lease(event.lease)
    if lease is None or lease.returned_s is not None:
        seen = "was never given out" if lease is None else f"was given back at {lease.returned_s:.0f} s"
        raise RefusedError(f"lease {event.lease}: cannot be given back, it {seen}")
    return [Change(tables.LEASES, {"returned_s": Entry.TIME}, {"id": event.lease})]


def blocked(rows: Rows, event: events.PositionBlocked) -> list[Change]:
    """Nothing goes there; said again, the newer reason holds."""
    if rows.blocked(event.position) is not None:
        return [Change(tables.BLOCKED, {"why": event.why}, {"position": event.position})]
    return [Change(tables.BLOCKED, {"position": event.position, "why": event.why})]


def cleared(rows: Rows, event: events.PositionCleared) -> list[Change]:
    """Things go there again."""
    if rows.blocked(event.position) is None:
        raise RefusedError(f"{event.position}: cannot be cleared, it is not blocked")
    return [Change(tables.BLOCKED, key={"position": event.position}, drop=True)]


def barcode(rows: Rows, event: events.BarcodeRead) -> list[Change]:
    """What was read, also where it is not what was expected: a person settles that."""
    row = event.model_dump(mode="json") | {"settled": event.found == event.expected, "read_n": Entry.NUMBER}
    return [Change(tables.BARCODES, row)]


def calibrated(rows: Rows, event: events.CalibrationDone) -> list[Change]:
    """What an instrument was found to be, for some time."""
    figures = json.dumps(event.values, sort_keys=True, separators=(",", ":"))
    return [Change(tables.CALIBRATIONS, {"what": event.what, "figures": figures, "valid_for_s": event.valid_for_s})]
