"""Databases to try the state on: a file, and a PostgreSQL server of the test's own where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

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
def server() -> Iterator[str]:
    """Start a server in a folder of its own, reached by a socket there; gives the URL of its first database."""
    reason = why_no_server()
    if reason is not None:
        pytest.skip(reason)
    # A short path: a socket's name has at most 107 characters. The account must be able to enter it.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as name:  # noqa: S108
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
