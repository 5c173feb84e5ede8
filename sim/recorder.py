"""Records what goes over the wires, from the simulator's side: what clients really sent and were really sent.

The format is that of `sim.replay`. A request that arrives in pieces is one entry, with the time at which it was whole;
the header says besides how fast lab time passed, because replies that came promptly are to come promptly again.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import threading
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from drivers.clock import Clock
from sim.addresses import Spot
from sim.errors import SimError
from sim.relay.addressees import Addressees
from sim.relay.framings import framing_of
from sim.spec import Instrument
from sim.wire.receiver import Hearing, OpenReceiver, Receiver, Send


class Recorder:
    """Appends to a file; any thread may write."""

    def __init__(self, path: Path, clock: Clock, instruments: Iterable[Instrument]) -> None:
        """Begin a new recording.

        Args:
            path: Its file; what is in it is lost.
            clock: Lab time.
            instruments: Whose wires are recorded.

        Raises:
            SimError: Where the file cannot be written.
        """
        self._clock = clock
        self._lock = threading.Lock()
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o644)
        except OSError as error:
            raise SimError(f"the transcript {path} cannot be written ({error.strerror}): name another file") from error
        self._open = True
        links = {instrument.name: _link(instrument) for instrument in instruments}
        self._write({"header": {"links": links, "speed": getattr(clock, "speed", 1.0)}})

    def through(self, spots: Mapping[str, Spot], inner: OpenReceiver) -> OpenReceiver:
        """Listen between a wire and whoever answers there."""
        return partial(_Listener, self, Addressees(spots), inner)

    def frame(self, name: str, direction: str, data: bytes) -> None:
        """Note bytes that went to an instrument (tx) or came from it (rx)."""
        self._write({"t": self._clock.now(), "link": name, "dir": direction, "hex": data.hex()})

    def file(self, name: str, path: Path) -> None:
        """Note a file that an instrument left."""
        # A fixed time stamp in the gzip header, so that equal runs give equal transcripts.
        packed = base64.b64encode(gzip.compress(path.read_bytes(), mtime=0)).decode("ascii")
        self._write({"t": self._clock.now(), "link": name, "dir": "file", "name": path.name, "gzip": packed})

    def close(self) -> None:
        """End the recording; what comes later is dropped."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._file)

    def _write(self, entry: Mapping[str, object]) -> None:
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._open:
                os.write(self._file, line)


class _Listener:
    """One connection that is recorded."""

    def __init__(self, recorder: Recorder, addressees: Addressees, inner: OpenReceiver, send: Send) -> None:
        self._recorder = recorder
        self._addressees = addressees
        self._send = send
        self._piece = bytearray()
        self._inner: Receiver = inner(self._say)
        self._framing = framing_of(self._inner)

    def receive(self, data: bytes) -> None:
        """Digest the next bytes: one request after the other, so that each is noted before its reply."""
        while data:
            before = len(self._piece)
            self._piece += data
            end = self._framing.request_end(bytes(self._piece))
            taken = end - before if end > before else len(data)
            if end > before:
                self._note(bytes(self._piece[:end]))
            self._inner.receive(data[:taken])
            data = data[taken:]

    def hung_up(self) -> None:
        """Note what was left, and pass it on."""
        self._note(bytes(self._piece))
        if isinstance(self._inner, Hearing):
            self._inner.hung_up()

    def _say(self, data: bytes) -> None:
        self._note(bytes(self._piece))  # half a request that was answered is a request
        self._recorder.frame(self._addressees.last, "rx", data)
        self._send(data)

    def _note(self, request: bytes) -> None:
        self._piece.clear()
        if request:
            self._recorder.frame(self._addressees.of(self._framing, request), "tx", request)


def _link(instrument: Instrument) -> dict[str, object]:
    link: dict[str, object] = {"model": instrument.model, "address": instrument.address}
    if "unit" in instrument.options:
        link["options"] = {"unit": instrument.options["unit"]}
    return link
