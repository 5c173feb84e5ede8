"""A folder through which an instrument takes files and leaves them.

A file appears whole or not at all: it is written under another name, and renamed when it is complete. What an
instrument leaves may be looked at while it is still being written; that is for whoever looks to find out. A share
that hangs makes the operating system wait, for as long as it is mounted to.
"""

from __future__ import annotations

import os
from pathlib import Path

from drivers.address import FolderAddress, parse_address
from drivers.errors import BadAddressError, LinkError
from drivers.gate import Granted
from drivers.links.grant import check_grant
from drivers.transcript import Transcript


class FolderLink:
    """One folder; names are those of files in it."""

    def __init__(self, device: str, folder: Path, transcript: Transcript) -> None:
        """Join a folder; nothing is looked at before the first use.

        Args:
            device: Who errors are about.
            folder: The folder, which must be there when it is used.
            transcript: Where what is written is noted.
        """
        self.device, self.folder = device, folder
        self.address = f"dir:{folder}"
        self._transcript = transcript

    def names(self) -> frozenset[str]:
        """The files that are there.

        Raises:
            LinkError: When the folder is not.
        """
        try:
            with os.scandir(self.folder) as entries:
                return frozenset(entry.name for entry in entries if entry.is_file())
        except OSError as error:
            raise self._broken("cannot be looked into", error) from error

    def read(self, name: str) -> bytes | None:
        """Give a file's content, or None where there is none of that name; raises as `names`."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            self.names()  # a folder that is gone holds no answer
            return None
        except OSError as error:
            raise self._broken(f"cannot be read ({name})", error) from error

    def note_taken(self, name: str) -> None:
        """Note in the transcript that the instrument has taken a file away."""
        self._transcript.frame(self.device, "rx", f"taken {name}".encode())

    def write(self, name: str, content: bytes, grant: Granted) -> None:
        """Put a file there, whole or not at all.

        Raises:
            LinkError: When it could not be put there; whether it is there is unknown then.
            GrantError: When the leave is for another device.
        """
        check_grant(self.device, grant)
        unfinished = self.folder / f".{name}.tmp"
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(self.folder / name)
        except OSError as error:
            raise self._broken(f"cannot be written to ({name})", error) from error
        self._transcript.frame(self.device, "tx", content)

    def withdraw(self, name: str, grant: Granted) -> bool:
        """Take a file away, and give whether it was still there.

        Raises:
            LinkError: When that could not be done.
            GrantError: When the leave is for another device.
        """
        check_grant(self.device, grant)
        taken = self.folder / f".{name}.withdrawn"
        try:
            # Renamed first: an instrument that looks now has either taken it before or finds it no more.
            (self.folder / name).rename(taken)
            taken.unlink()
        except FileNotFoundError:
            self.names()
            return False
        except OSError as error:
            raise self._broken(f"cannot be written to ({name})", error) from error
        return True

    def _broken(self, what: str, error: OSError) -> LinkError:
        return LinkError(
            f"{self.device}: {self.address} {what} ({error}): is the share mounted, and the address right in the lab "
            "file?"
        )


def open_folder(device: str, address: str, transcript: Transcript) -> FolderLink:
    """Make the link to a folder.

    Raises:
        BadAddressError: Where the address is of another kind.
    """
    where = parse_address(address)
    if not isinstance(where, FolderAddress):
        raise BadAddressError(f"{device}: {address!r} is no folder: write dir:PATH")
    return FolderLink(device, where.path, transcript)
