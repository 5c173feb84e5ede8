"""The database: opened by its address, with sentences for what a disk or a server may do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.pool import NullPool

from lab.records.state.errors import StateError

_WAIT_S = 10.0
"""So long another process may keep the database before we say so."""
_FULL = ("database or disk is full", "disk I/O error", "No space left", "could not extend file")


def url_of(where: str | Path) -> URL:
    """The address of a database: a file, or a URL such as ``postgresql://user@host/lab``.

    Raises:
        StateError: Where it is neither, or no database that we know.
    """
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    try:
        url = make_url(where)
    except ArgumentError:
        raise StateError(f"{where}: is no address of a database: write a file or postgresql://USER@HOST/NAME") from None
    if url.drivername in {"postgresql", "postgres"}:
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise StateError(f"{spoken(url)}: the state is kept in sqlite or postgresql, not in {url.get_backend_name()}")
    return url


def spoken(url: URL) -> str:
    """An address as it may be shown: a file's path, or the URL without its password."""
    if url.get_backend_name() == "sqlite":
        return url.database or "memory"
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def open_engine(url: URL, *, references: bool = True) -> Engine:
    """An engine that makes a connection when asked and keeps none.

    Args:
        url: The database.
        references: Whether SQLite watches references between rows; not while tables are made anew.

    Raises:
        StateError: Where the driver of the database is not installed.
    """
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        # One connection is used from several threads, one at a time; who uses it holds a lock.
        arguments = {"check_same_thread": False, "timeout": _WAIT_S}
    try:
        engine = create_engine(url, connect_args=arguments, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise StateError(
            f"{spoken(url)}: needs {error.name}, which is not installed: pip install 'athanor[postgres]'"
        ) from None
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", partial(_prepare_sqlite, references))
        event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def sentences(url: URL, doing: str) -> Iterator[None]:
    """Turn what the database says into one sentence.

    Raises:
        StateError: For every error of the database inside the block.
    """
    try:
        yield
    except IntegrityError as error:
        raise StateError(
            f"{spoken(url)}: {doing}: the database refuses that ({_first_line(error)}): "
            "what the journal says cannot be, look at its last entries"
        ) from error
    except DBAPIError as error:
        raise StateError(f"{spoken(url)}: {doing}: {_first_line(error)}: {_advice(error)}") from error


def _first_line(error: DBAPIError) -> str:
    return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]


def _advice(error: DBAPIError) -> str:
    said = str(error.orig)
    if any(words in said for words in _FULL):
        return "make room and start again, the journal has what is missing"
    if "not a database" in said or "malformed" in said:
        return "move that file away and start again, the journal has everything"
    if "locked" in said:
        return "another process is writing it, wait for it or stop it"
    if "readonly" in said or "unable to open" in said:
        return "it must be in a folder that you may write to"
    return "see that the database can be reached and start again, the journal has what is missing"


def _prepare_sqlite(references: bool, connection: Any, _record: object) -> None:
    # Transactions are begun by us: what sqlite3 begins by itself leaves out table definitions.
    connection.isolation_level = None
    cursor = connection.cursor()
    # The journal is the truth, so a commit that a power failure takes back is made again from it.
    for pragma in (f"foreign_keys = {references:d}", "journal_mode = WAL", "synchronous = NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # At once for writing: two that read first and write later would lock each other out.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
