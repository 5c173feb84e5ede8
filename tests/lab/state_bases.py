"""Databases to try the state on: a file, and a PostgreSQL server of the test's own where one is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from drivers.clock import JumpClock
from lab.records.journal import Journal, read_journal
from lab.records.state import events, tables
from lab.records.state.database import open_engine, url_of
from lab.records.state.errors import RefusedError
from lab.records.state.events import Event, Place
from lab.records.state.migrate import bring_up_to_date
from lab.records.state.store import State
from lab.records.state.words import StockSort, Unit, WareSort

ACCOUNTS = ("postgres", "nobody")
"""PostgreSQL refuses to run as root, so it runs as one of these."""


def _bin() -> Path | None:
    """The folder of the newest server that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    known = shutil.which("initdb")
    return None if known is None else Path(known).resolve().parent


def why_no_server() -> str | None:
    """Why PostgreSQL cannot be tried here."""
    if _bin() is None:
        return "PostgreSQL is not installed (Debian package postgresql)"
    if find_spec("psycopg") is None:
        return "psycopg is not installed (extra postgres)"
    if os.geteuid() == 0 and (_account() is None or shutil.which("runuser") is None):
        return "PostgreSQL does not run as root, and there is no account postgres or nobody to run it as"
    return None


def _account() -> str | None:
    known = {line.partition(":")[0] for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines()}
    return next((name for name in ACCOUNTS if name in known), None)


@contextmanager
def bases(kind: str, folder: Path) -> Iterator[Callable[[], str]]:
    """Give what makes the address of a new database of one kind, without a row."""
    numbers = count(1)
    if kind == "sqlite":
        yield lambda: f"sqlite:///{folder}/state-{next(numbers)}.db"
        return
    with server() as url:
        engine = open_engine(url_of(url)).execution_options(isolation_level="AUTOCOMMIT")

        def create(name: str, like: str) -> str:
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {like}"))
            return url.replace("/postgres?", f"/{name}?")

        # Making all tables takes a server longer than copying them.
        bring_up_to_date(url_of(create("ready", "template0")))
        yield lambda: create(f"state{next(numbers)}", "ready")


class Book:
    """A state and the journal that it follows."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.path = folder / "journal.jsonl"
        self.clock = JumpClock(100.0)
        self.open()

    def open(self) -> None:
        self.journal = Journal(self.path, self.clock, "simulated")
        try:
            self.state = State(self.url, self.journal)
        except BaseException:
            self.journal.close()
            raise

    def close(self) -> None:
        self.state.close()
        self.journal.close()

    def again(self) -> State:
        """The state, opened once more from its database."""
        self.close()
        self.open()
        return self.state

    def crash(self) -> None:
        """End as a killed process does: the transaction is never ended."""
        self.state._connection.rollback()
        self.state._connection.close()
        self.journal.close()

    @property
    def entries(self) -> list[dict[str, Any]]:
        return list(read_journal(self.path))

    def rewrite(self, entries: list[dict[str, Any]]) -> None:
        """Put other entries into the journal of a closed book, as nobody should."""
        self.path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")

    def tell(self, *told: Event, actor: str = "auto") -> None:
        for event in told:
            self.state.record(event, actor=actor)


def everything(state: State) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but the one that says how far the journal was followed."""
    with state.reading() as look:
        return {
            table.name: sorted((tuple(row) for row in look.execute(select(table))), key=repr)
            for table in tables.METADATA.sorted_tables
            if table is not tables.LAB
        }


def refused(book: Book, event: Event, match: str, actor: str = "auto") -> None:
    """An event is refused alike when asked about and when recorded, and is not journalled."""
    before = len(book.entries)
    with pytest.raises(RefusedError, match=match):
        book.state.check(event, actor=actor)
    with pytest.raises(RefusedError, match=match):
        book.tell(event, actor=actor)
    assert len(book.entries) == before


def at(position: str) -> Place:
    return Place(position=position)


def into(ware: str) -> Place:
    return Place(inside=ware)


def lot(name: str = "TiO2-lot3", amount: float = 1000.0, **more: Any) -> events.StockTakenIn:
    return events.StockTakenIn(
        stock=name, sort=StockSort.LOT, substance=name.partition("-")[0], unit=Unit.MG, amount=amount, **more
    )


def crucible(name: str = "C-1", position: str = "shelf/1", **more: Any) -> events.WareTakenIn:
    usual: dict[str, Any] = {"sort": WareSort.CRUCIBLE, "material": "alumina", "max_degc": 1200.0, "tare_mg": 5000.0}
    told = usual | more
    return events.WareTakenIn(ware=name, position=position, **told)


def portion(
    name: str = "s1", place: Place | None = None, mass_mg: float = 800.0, *elements: str
) -> events.PortionCreated:
    return events.PortionCreated(
        portion=name,
        mass_mg=mass_mg,
        elements=elements or ("Ba", "Ti", "O", "C"),
        place=place or at("mill-1/1"),
        recipe={"target": {"formula": "BaTiO3"}},
    )


@contextmanager
def server() -> Iterator[str]:
    """Start a server in a folder of its own, reached by a socket there; gives the URL of its first database."""
    reason = why_no_server()
    if reason is not None:
        pytest.skip(reason)
    # A short path: a socket's name has at most 107 characters. The account must be able to enter it.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        folder = Path(name)
        account = _account() if os.geteuid() == 0 else None
        if account is not None:
            shutil.chown(folder, account)
        _run(account, folder, "initdb", "-D", f"{folder}/data", "-U", "lab", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        _run(account, folder, "pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://lab@/postgres?host={folder}"
        finally:
            _run(account, folder, "pg_ctl", "-D", f"{folder}/data", "-w", "-m", "immediate", "stop")


def _run(account: str | None, folder: Path, program: str, *arguments: str) -> None:
    binaries = _bin()
    assert binaries is not None
    command = [str(binaries / program), *arguments]
    if account is not None:
        command = ["runuser", "-u", account, "--", *command]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"{program} does not run here: {(done.stderr or done.stdout).strip()[-200:]}")
