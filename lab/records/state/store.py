"""The state of one laboratory, kept in a database as the journal's entries leave it.

The journal is written first and is the truth. `State.record` asks whether an event is possible, writes it into the
journal and applies it, as one step for all threads; what a crash leaves out is caught up from the journal. Entries are
kept in transactions of many, each with the number of the last one, so that each entry is applied once.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import DBAPIError

from lab.records.journal import Journal, read_journal
from lab.records.state import tables
from lab.records.state.changes import make
from lab.records.state.database import open_engine, sentences, spoken, url_of
from lab.records.state.errors import RefusedError, StateError
from lab.records.state.events import Event, event_of
from lab.records.state.events.base import AUTO
from lab.records.state.migrate import bring_up_to_date
from lab.records.state.rows import Rows
from lab.records.state.rules.decide import decide
from lab.records.state.stamp import Stamp, stamp_of

BATCH = 500
"""After so many entries a transaction is ended."""
KEPT_EVERY_S = 1.0
"""After so long, in wall time, the next event ends it too, so that others see what is going on."""


class State:
    """Reads and writes one laboratory's state; may be used from several threads."""

    def __init__(self, where: str | Path, journal: Journal) -> None:
        """Open the database or begin it, bring it up to date, and catch up with the journal.

        Args:
            where: A file, or a URL such as ``postgresql://user@host/lab``.
            journal: What the state follows; the database belongs to its world for good.

        Raises:
            StateError: Where it cannot be opened, is of a newer version or belongs to the other world; where the
                journal is another one, or says what cannot be.
            JournalError: Where the journal cannot be read.
        """
        self.url = url_of(where)
        self._journal = journal
        self._lock = threading.RLock()
        self._pending = 0
        self._kept_at_s = time.monotonic()
        self._behind = ""
        with sentences(self.url, "cannot be opened"):
            self.kept_copy: Path | None = bring_up_to_date(self.url)
            """The copy of a file that was of an older version."""
            self._connection = open_engine(self.url).connect()
        self._rows = Rows(self._connection)
        try:
            with sentences(self.url, "cannot be opened"):
                self._claim()
                self._read_applied()
            self.catch_up()
        except BaseException:
            self._connection.close()
            raise

    @property
    def applied(self) -> int:
        """Number of the last journal entry that is in the state."""
        with self._lock:
            return self._applied

    @property
    def name(self) -> str:
        """What the database is called in sentences."""
        return spoken(self.url)

    def check(self, event: Event, *, actor: str = AUTO) -> None:
        """Ask whether an event is possible now; changes nothing.

        Args:
            event: What shall be journalled.
            actor: By whom.

        Raises:
            RefusedError: Where it is not, with why.
        """
        with self._working("cannot be read"):
            decide(self._rows, event, actor)

    def record(self, event: Event, *, actor: str = AUTO, durable: bool = False) -> None:
        """Check an event, write it into the journal, and apply it; no other thread's event comes between.

        Args:
            event: What happened or is about to happen.
            actor: By whom.
            durable: Whether the journal's entry must be on the disk when this returns.

        Raises:
            RefusedError: Where the event is not possible; then it is not in the journal.
            JournalError: Where the journal does not take it. As nobody knows then whether it was written, the state
                takes no other before it has caught up.
            StateError: Where the database cannot be written; then the journal has the event, and the state takes no
                other before it has caught up.
        """
        with self._working("cannot be written"):
            changes = decide(self._rows, event, actor)
            with self._falling_behind():
                entry = self._journal.write(event.KIND, durable=durable, actor=actor, **event.fields())
                stamp = stamp_of(entry)
                make(self._connection, changes, stamp.columns)
            self._note(entry, stamp)

    def catch_up(self) -> int:
        """Apply all entries of the journal that are not in the state yet, and keep them.

        Returns:
            How many events were applied.

        Raises:
            StateError: Where an entry cannot be applied; those before it are kept. Where the journal is another one,
                or ends before the state does.
            JournalError: Where the journal cannot be read.
        """
        with self._lock:
            if self._behind:
                with sentences(self.url, "cannot be read"):
                    self._read_applied()
                self._behind = ""
            before, seen, events = self._applied, 0, 0
            try:
                with self._working("cannot be written"):
                    for entry in read_journal(self._journal.path):
                        events += self._apply(entry)
                        seen = int(entry["n"])
            finally:
                self.commit()
            if seen < before:
                raise StateError(
                    f"{self.name}: has the journal's entries up to {before}, and this journal ends with {seen}: "
                    "it is another one, or a part was cut off; give the state a new database, or find the whole journal"
                )
            return events

    def commit(self) -> None:
        """Keep what was applied, for other processes to see; to be called when nothing more comes for a while.

        Raises:
            StateError: Where the database cannot be written.
            JournalError: Where the journal cannot be brought to the disk.
        """
        with self._lock:
            if self._behind or not self._pending:
                return
            with self._falling_behind(), sentences(self.url, "cannot be written"):
                # Or a power failure could leave the state ahead of the journal.
                self._journal.sync()
                values = {"applied": self._applied, "event": self._event, "digest": self._digest}
                self._connection.execute(update(tables.LAB).values(values))
                self._connection.commit()
            self._pending = 0
            self._kept_at_s = time.monotonic()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give the connection for questions, with all that was applied; nobody writes inside the block."""
        with self._working("cannot be read"):
            yield self._connection

    def close(self) -> None:
        """Keep what was applied and let go of the database; to be called before the journal is closed."""
        with self._lock:
            try:
                self.commit()
            finally:
                self._connection.close()

    def __enter__(self) -> State:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _claim(self) -> None:
        """Make the database this world's, or see that it is."""
        there = self._connection.execute(select(tables.LAB.c.world)).scalar()
        if there is None:
            first = {"id": 1, "world": self._journal.world, "applied": 0, "event": 0, "digest": ""}
            self._connection.execute(insert(tables.LAB), first)
            self._connection.commit()
        elif there != self._journal.world:
            raise StateError(
                f"{self.name}: belongs to a {there} laboratory, and this one is {self._journal.world}: "
                "give it a database of its own"
            )

    def _read_applied(self) -> None:
        lab = self._connection.execute(select(tables.LAB)).one()
        self._applied: int = lab.applied
        """Number of the last entry."""
        self._event: int = lab.event
        """Number of the last entry that was an event, and what tells it from others."""
        self._digest: str = lab.digest
        self._pending = 0
        self._connection.rollback()

    def _apply(self, entry: Mapping[str, Any]) -> bool:
        """Bring one journal entry into the state; gives whether it was an event, and had not been applied before."""
        stamp = stamp_of(entry)
        if stamp.n <= self._applied:
            if stamp.n == self._event and _digest(entry) != self._digest:
                raise StateError(
                    f"{self.name}: was made from another journal, entry {stamp.n} is not the one that was applied: "
                    "find that journal, or give the state a new database"
                )
            return False
        event = event_of(entry)
        if event is None:
            self._applied, self._pending = stamp.n, self._pending + 1
            return False
        if stamp.world != self._journal.world:
            raise StateError(
                f"journal entry {stamp.n}: is of a {stamp.world} laboratory, and the state of {self.name} is "
                f"{self._journal.world}: it is another laboratory's journal"
            )
        try:
            changes = decide(self._rows, event, stamp.actor)
        except RefusedError as error:
            raise RefusedError(f"journal entry {stamp.n}, {event.KIND}: {error}") from None
        with self._falling_behind():
            make(self._connection, changes, stamp.columns)
        self._note(entry, stamp)
        return True

    def _note(self, entry: Mapping[str, Any], stamp: Stamp) -> None:
        self._applied = self._event = stamp.n
        self._digest = _digest(entry)
        self._pending += 1
        if self._pending >= BATCH or time.monotonic() - self._kept_at_s >= KEPT_EVERY_S:
            self.commit()

    @contextmanager
    def _working(self, doing: str) -> Iterator[None]:
        with self._lock:
            if self._behind:
                raise StateError(f"{self._behind}; the state must catch up from the journal first")
            try:
                with sentences(self.url, doing):
                    try:
                        yield
                    finally:
                        if not self._pending:
                            # Between two questions the database is nobody's.
                            self._connection.rollback()
            except StateError as error:
                # A transaction in which the database reported an error is over on some databases.
                if isinstance(error.__cause__, DBAPIError):
                    self._fall_behind(str(error))
                raise

    @contextmanager
    def _falling_behind(self) -> Iterator[None]:
        """Drop the transaction where it cannot be finished: the journal has it, and the state must catch up."""
        try:
            yield
        except BaseException as error:
            self._fall_behind(f"{self.name}: could not be written ({type(error).__name__})")
            raise

    def _fall_behind(self, why: str) -> None:
        self._behind = why
        # What breaks here has been reported already.
        with suppress(DBAPIError):
            self._connection.rollback()


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
