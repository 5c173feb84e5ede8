"""Where a command finds its lab file and puts its data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from lab.errors import UsageError


def lab_file(path: Path | None) -> Path:
    """The same path, where a lab file is there; without one the packaged lab.

    Raises:
        UsageError: Where it is another kind of file.
    """
    from lab.cli.files import kind_of
    from lab.config.lab_file import packaged_lab

    if path is None:
        return packaged_lab()
    kind = kind_of(path)
    if kind != "lab":
        raise UsageError(f"--lab {path}: is a {kind} file: give a lab file")
    return path


def data_folder(data: Path | None, stem: str, parts: Sequence[str]) -> Path:
    """The data folder, made if need be with its parts; never one that holds anything already.

    Args:
        data: What was asked for; None: ``runs/STEM-DATE-TIME``.
        stem: What the folder is called after.
        parts: Folders in it.

    Raises:
        UsageError: Where it is not empty or cannot be made.
    """
    if data is None:
        stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        data = Path("runs") / f"{stem}-{stamp}"
    if any(not path.is_dir() for path in data.rglob("*")):
        raise UsageError(f"--data {data}: holds files already: give a new or empty folder")
    try:
        for part in parts:
            (data / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--data {data}: cannot be written ({error.strerror}): give another folder") from None
    return data
