"""The version of a database: an older one is brought up to date, a newer one is left alone.

The scripts are Alembic's, in `migrations/versions`; each has an `upgrade()`. There is no way back: before a file is
changed a copy of it is kept beside it.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, inspect

from lab.records.state.database import open_engine, spoken
from lab.records.state.errors import StateError

SCRIPTS = Path(__file__).parent / "migrations"


def bring_up_to_date(url: URL) -> Path | None:
    """Make a database's tables those of this version, all or nothing.

    Returns:
        The copy that was kept, where a file was changed.

    Raises:
        StateError: Where the database is of a newer version or holds something else, no copy can be kept, or the
            result does not hold together.
    """
    directory = ScriptDirectory(str(SCRIPTS))
    # SQLite changes most of a table by making it anew, which rows that refer to it would prevent.
    with open_engine(url, references=False).begin() as connection:
        context = MigrationContext.configure(connection)
        current = _recognised(context, directory, spoken(url))
        if current == directory.get_current_head():
            return None
        copy = None if current is None else _keep_copy(url, current)
        with Operations.context(context):
            for step in reversed(list(directory.iterate_revisions("head", current or "base"))):
                step.module.upgrade()
                context.stamp(directory, step.revision)
        _holds_together(connection, spoken(url))
    return copy


def of_this_version(connection: Connection, name: str) -> None:
    """Make sure that a database can be read as it is.

    Raises:
        StateError: Where it is of another version.
    """
    directory = ScriptDirectory(str(SCRIPTS))
    current = _recognised(MigrationContext.configure(connection), directory, name)
    if current != directory.get_current_head():
        raise StateError(
            f"{name}: is of version {current}, and this program reads version {directory.get_current_head()}: "
            "the lab service brings it up to date when it starts"
        )


def _recognised(context: MigrationContext, directory: ScriptDirectory, name: str) -> str | None:
    """The version of a database, None where it is empty."""
    current = context.get_current_revision()
    if current is None:
        others = sorted(set(inspect(context.connection).get_table_names()) - {"alembic_version"})
        if others:
            raise StateError(
                f"{name}: holds tables that are not of a laboratory's state ({', '.join(others[:3])}): "
                "give the state a database of its own"
            )
    elif current not in {script.revision for script in directory.walk_revisions()}:
        raise StateError(
            f"{name}: is of version {current}, and this program knows versions up to {directory.get_current_head()}: "
            "use the newer program, nothing was changed"
        )
    return current


def _keep_copy(url: URL, current: str) -> Path | None:
    """Copy a file before it is changed; a server's database is copied by its own means."""
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"}:
        return None
    copy = _free_name(Path(f"{url.database}.before-{current}"))
    try:
        # What others have committed, read beside the transaction that is about to change it.
        source, target = sqlite3.connect(str(url.database)), sqlite3.connect(copy)
        try:
            source.backup(target)
        finally:
            target.close()
            source.close()
    except sqlite3.Error as error:
        copy.unlink(missing_ok=True)
        raise StateError(
            f"{copy}: no copy of the older database could be kept ({error}): make room, nothing was changed"
        ) from error
    return copy


def _holds_together(connection: Connection, name: str) -> None:
    """Check what SQLite did not watch meanwhile."""
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise StateError(
            f"{name}: a row of {broken[0]} would refer to nothing in {broken[2]}: nothing was changed, "
            "make the state anew from the journal"
        )


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free
