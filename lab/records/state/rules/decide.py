"""Which rule answers which event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lab.records.state import events
from lab.records.state.changes import Change
from lab.records.state.errors import RefusedError
from lab.records.state.events import Event
from lab.records.state.events.base import AUTO
from lab.records.state.rows import Rows
from lab.records.state.rules import attested, portions, stations, stock, tasks, wares

RULES: Mapping[type[Event], Callable[[Rows, Any], list[Change]]] = {
    events.StockTakenIn: stock.taken_in,
    events.StockUsed: stock.used,
    events.StockReturned: stock.returned,
    events.StockCounted: stock.counted,
    events.StockWarned: stock.warned,
    events.WareTakenIn: wares.taken_in,
    events.WareMoved: wares.moved,
    events.WareTared: wares.tared,
    events.WareUsed: wares.used,
    events.WareFired: wares.fired,
    events.WareCleaned: wares.cleaned,
    events.WareRetired: wares.retired,
    events.PortionCreated: portions.created,
    events.PortionMoved: portions.moved,
    events.PortionSplit: portions.split,
    events.PortionJoined: portions.joined,
    events.PortionWeighed: portions.weighed,
    events.PortionOutcome: portions.outcome,
    events.PortionConsumed: portions.consumed,
    events.BarcodeRead: stations.barcode,
    events.TaskPlanned: tasks.planned,
    events.TaskDispatched: tasks.dispatched,
    events.TaskAcknowledged: tasks.acknowledged,
    events.TaskVerified: tasks.verified,
    events.TaskFailed: tasks.failed,
    events.TaskHeld: tasks.held,
    events.TaskResumed: tasks.resumed,
    events.TaskUndone: tasks.undone,
    events.LeaseTaken: stations.lease_taken,
    events.LeaseReturned: stations.lease_returned,
    events.PositionBlocked: stations.blocked,
    events.PositionCleared: stations.cleared,
    events.CalibrationDone: stations.calibrated,
    events.Attested: attested.attested,
}


def decide(rows: Rows, event: Event, actor: str) -> list[Change]:
    """What an event changes.

    Raises:
        RefusedError: Where it is not possible.
    """
    if event.BY_A_PERSON and actor == AUTO:
        raise RefusedError(f"{event.KIND}: is entered by the laboratory itself: a person must say that")
    return RULES[type(event)](rows, event)
