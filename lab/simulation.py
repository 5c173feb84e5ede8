"""The simulated part of a laboratory: from a checked lab file to instruments that answer on their wires.

The one place that knows of the simulator. What an address points at is decided by the lab file and here, once;
nothing else asks whether an instrument is simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from drivers.clock import Clock
from drivers.kinds import Kind
from lab.config.addresses import Wire
from lab.config.lab_file import DeviceFile, LabConfig, programs_of
from lab.errors import UsageError
from lab.trouble import NO_TROUBLE, Trouble

if TYPE_CHECKING:
    from sim.serve import Ports
    from sim.spec import Instrument, Laboratory


class Wires(Protocol):
    """Whoever answers at simulated addresses: the simulator, or a recording."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Device name to the address at which it really is."""

    def close(self) -> None:
        """Stop answering."""


class Recording(Wires, Protocol):
    """A recording that is played back."""

    @property
    def mismatches(self) -> Sequence[object]:
        """Requests that differed from the recorded ones."""


def simulate(
    config: LabConfig,
    names: Iterable[str],
    clock: Clock,
    folder: Path,
    *,
    results: Path,
    seed: int = 0,
    truth: Path | None = None,
    ports: Ports = "ephemeral",
    log: Path | None = None,
    prompt: bool = False,
    trouble: Trouble = NO_TROUBLE,
) -> Wires:
    """Serve instruments of a lab file in this process.

    Args:
        config: The checked lab file.
        names: The instruments that are to be simulated.
        clock: Lab time.
        folder: Where the symlinks of pseudo-terminals go.
        results: Where diffractometers leave their files.
        seed: Of this run's noise.
        truth: What the chemistry obeys, in place of what the lab file says.
        ports: TCP ports as the addresses say (``exact``), or any free ones.
        log: A file to which every edge of every output is written as it happens.
        prompt: Whether everything is loaded before the first request, so that no answer is late because of it.
        trouble: What is done to the wires.

    Raises:
        UsageError: Where the simulator cannot serve this; with the line of the lab file where it is about one.
    """
    from sim import SimError, serve, warm_up
    from sim.relay import Schedule

    if prompt:
        warm_up()
    try:
        laboratory = _laboratory(config, set(names), results, seed, truth, paced=trouble.paced)
        wires = serve(laboratory, clock, folder, ports, log, faults=trouble.fault_log, record=trouble.record)
    except SimError as error:
        whose = error.instrument
        place = f"{config.place_of(whose)}: " if whose in config.devices else ""
        raise UsageError(f"{place}{error}") from None
    if trouble.faults:
        wires.relay.start(Schedule(trouble.faults, trouble.fault_seed))
    return wires


def recorded_wires(config: LabConfig, transcript: Path, clock: Clock, results: Path, folder: Path) -> Recording:
    """Serve a recorded wire transcript in place of instruments; pseudo-terminals go to `folder`.

    Raises:
        UsageError: Where the transcript cannot be read.
    """
    from sim import SimError, serve_transcript

    folders = {name: results for name, device in config.devices.items() if device.kind is Kind.DIFFRACTOMETER}
    try:
        recording = serve_transcript(transcript, clock, folder, folders)
    except SimError as error:
        raise UsageError(str(error)) from None
    for name, endpoint in recording.endpoints.items():
        marker = config.devices[name].told.get("marker") if name in config.devices else None
        if marker is not None and endpoint.startswith("dir:"):
            # By this file a driver knows the folder of its instrument; a recording does not hold it.
            (Path(endpoint.removeprefix("dir:")) / str(marker)).touch()
    return recording


def model_of_device(device: DeviceFile) -> str:
    """Give the model that stands in for a device."""
    if device.place.wire is Wire.CHOICE:
        return device.address.removeprefix("sim:")
    return device.spec.simulator or device.driver


def _laboratory(
    config: LabConfig, names: set[str], results: Path, seed: int, truth: Path | None, *, paced: bool = False
) -> Laboratory:
    from sim.spec import Laboratory, Lot

    simulation = config.file.simulation
    return Laboratory(
        name=config.name,
        instruments=tuple(
            _instrument(name, device, names, results, paced=paced)
            for name, device in config.devices.items()
            if name in names
        ),
        lots={
            name: Lot(
                name,
                lot.formula,
                assay=lot.assay * (1.0 - lot.loss_on_ignition),
                hydrate=lot.hydrate,
                grain_um=lot.grain,
            )
            for name, lot in config.inventory.lots.items()
        },
        # Noise differs between runs of different seeds; the truth stays that of the lab file.
        seed=simulation.seed * 1_000_003 + seed,
        truth=str(truth) if truth is not None else simulation.truth,
    )


def _instrument(
    name: str, device: DeviceFile, simulated: set[str], results: Path, *, paced: bool = False
) -> Instrument:
    from sim.errors import concerning
    from sim.model import model_of
    from sim.spec import Instrument

    model = model_of_device(device)
    address = device.address if device.place.simulated else f"sim:{model}"
    with concerning(name):
        known = model_of(Instrument(name, model, address)).options
    told: dict[str, object] = {
        **device.told,
        "slots": device.slots,
        # A real module's contactor carries no simulated current.
        "watched_by": device.watched_by if device.watched_by in simulated else None,
        "dir": str(results),
    }
    if device.kind is Kind.DIFFRACTOMETER:
        told["programs"] = programs_of(device)
    elif device.kind is Kind.DOSER:
        told["heads"] = dict(device.heads or {})
    if paced:
        told["pace_baud"] = told.get("baud", device.baud)
    # Several on one line are told apart by their units, whatever their model makes of that; a port has no speed.
    options = {key: value for key, value in told.items() if key in {*known, "unit", "pace_baud"} and value is not None}
    return Instrument(name, model, address, options)
