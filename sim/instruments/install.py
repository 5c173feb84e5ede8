"""Puts the instruments of a laboratory up: physics into the plant, wire tables onto the switchboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sim.addresses import Carrier, Language, Spot, spot_of
from sim.errors import BadOptionError, UnknownLotError, UnknownModelError
from sim.instruments.aeris import Aeris
from sim.instruments.eurotherm_3216p import Eurotherm3216P
from sim.instruments.quantos import Quantos
from sim.instruments.safety_io import SafetyIo
from sim.instruments.text_mover import TextMover
from sim.plant import BoxFurnace, Diffractometer, Doser, Head, Plant, Programme
from sim.spec import Flow, Instrument, Laboratory, Lot
from sim.switchboard import Switchboard

EUROTHERM_3216P, QUANTOS, AERIS = "eurotherm-3216p", "quantos", "aeris"
TEXT_MOVER, SAFETY_IO = "text-mover", "safety-io"
SPEAKS: Mapping[str, tuple[Carrier, Language]] = {
    EUROTHERM_3216P: (Carrier.PTY, Language.MODBUS),
    QUANTOS: (Carrier.PTY, Language.TEXT),
    AERIS: (Carrier.TCP, Language.TEXT),
    TEXT_MOVER: (Carrier.TCP, Language.TEXT),
    SAFETY_IO: (Carrier.TCP, Language.MODBUS),
}
"""Models in the order in which they are put up: what watches comes before what is watched."""
ORDER = (SAFETY_IO, EUROTHERM_3216P, QUANTOS, AERIS, TEXT_MOVER)
INSTRUMENT_TYPE = 0xF3
USUAL_PROGRAMS = {"10-80deg-8min": (10.0, 80.0, 480.0)}


class Installer:
    """Puts up one instrument after another."""

    def __init__(self, laboratory: Laboratory, plant: Plant, switchboard: Switchboard) -> None:
        self.instruments: dict[str, object] = {}
        self._laboratory = laboratory
        self._plant = plant
        self._switchboard = switchboard
        self._safety: dict[str, SafetyIo] = {}
        self._locked_by: dict[str, SafetyIo] = {}

    def install(self) -> None:
        """Put up all instruments; raises the family of `SimError`."""
        for instrument in self._laboratory.instruments:
            if instrument.model not in SPEAKS:
                known = ", ".join(sorted(SPEAKS))
                raise UnknownModelError(
                    f"{instrument.name}: no simulator speaks for a {instrument.model!r}: there are {known}"
                )
        put_up: Mapping[str, Callable[[Instrument, Spot], None]] = {
            SAFETY_IO: self._safety_io,
            EUROTHERM_3216P: self._furnace,
            QUANTOS: self._doser,
            AERIS: self._diffractometer,
            TEXT_MOVER: self._mover,
        }
        for instrument in sorted(self._laboratory.instruments, key=lambda i: ORDER.index(i.model)):
            put_up[instrument.model](instrument, spot_of(instrument, *SPEAKS[instrument.model]))

    def _safety_io(self, instrument: Instrument, spot: Spot) -> None:
        module = SafetyIo(instrument.name, self._plant)
        self._safety[instrument.name] = self.instruments[instrument.name] = module
        self._switchboard.add_unit(instrument.name, spot, module, _pace(instrument))

    def _furnace(self, instrument: Instrument, spot: Spot) -> None:
        options, plant = instrument.options, self._plant
        furnace = BoxFurnace(instrument.name, plant.now(), plant.seed)
        plant.add_furnace(furnace, _count(instrument, "slots", 8), str(options.get("atmosphere", "air")))
        watcher = options.get("watched_by")
        if watcher is not None:
            if watcher not in self._safety:
                raise BadOptionError(
                    f"{instrument.name}: watched_by {watcher!r} is no safety-io of this laboratory: "
                    f"there are {', '.join(self._safety) or 'none'}"
                )
            self._locked_by[instrument.name] = self._safety[str(watcher)]
            self._safety[str(watcher)].watch(furnace)
        instrument_type = _count(instrument, "instrument_type", INSTRUMENT_TYPE)
        controller = Eurotherm3216P(instrument.name, plant, furnace, spot.unit or 1, instrument_type)
        self.instruments[instrument.name] = controller
        self._switchboard.add_unit(instrument.name, spot, controller, _pace(instrument))

    def _doser(self, instrument: Instrument, spot: Spot) -> None:
        plant = self._plant
        content_mg = float(_option(instrument, "head_content_mg", 20_000.0))
        heads = {
            int(number): Head(int(number), self._lot(instrument, str(name)), content_mg)
            for number, name in _option(instrument, "heads", {}).items()
        }
        doser = Doser(instrument.name, heads, plant.truth, plant.seed)
        plant.add_doser(doser)
        quantos = Quantos(plant, doser)
        self.instruments[instrument.name] = quantos
        self._switchboard.add_text(instrument.name, spot, quantos.receiver, _pace(instrument))

    def _diffractometer(self, instrument: Instrument, spot: Spot) -> None:
        plant, folder = self._plant, instrument.options.get("dir")
        if folder is None:
            raise BadOptionError(f"{instrument.name}: an aeris needs the option dir, the folder that its results go to")
        results = Path(str(folder))
        results.mkdir(parents=True, exist_ok=True)
        step_deg = float(_option(instrument, "step_deg", 0.02))
        diffractometer = Diffractometer(instrument.name, results, step_deg, plant.truth, plant.seed)
        plant.add_diffractometer(diffractometer)
        programs = _option(instrument, "programs", USUAL_PROGRAMS)
        aeris = Aeris(plant, diffractometer, {name: Programme(*scan) for name, scan in programs.items()})
        self.instruments[instrument.name] = aeris
        self._switchboard.add_text(instrument.name, spot, aeris.receiver)

    def _mover(self, instrument: Instrument, spot: Spot) -> None:
        def door_locked(furnace: str) -> bool:
            module = self._locked_by.get(furnace)
            return module is not None and module.door_locked

        mover = TextMover(instrument.name, self._plant, door_locked)
        self.instruments[instrument.name] = mover
        self._switchboard.add_text(instrument.name, spot, mover.receiver)

    def _lot(self, instrument: Instrument, name: str) -> Lot:
        lot = self._laboratory.lots.get(name)
        if lot is None:
            known = ", ".join(sorted(self._laboratory.lots)) or "none"
            raise UnknownLotError(
                f"{instrument.name}: a head holds lot {name!r}, which is not in stock: there are {known}"
            )
        if lot.flow not in set(Flow):
            raise BadOptionError(f"lot {name}: flow {lot.flow!r} is none of {', '.join(Flow)}")
        return lot


def _option(instrument: Instrument, name: str, default: Any) -> Any:
    value = instrument.options.get(name, default)
    return default if value is None else value


def _count(instrument: Instrument, name: str, default: int) -> int:
    value = instrument.options.get(name, default)
    if not isinstance(value, int) or value < 1:
        raise BadOptionError(f"{instrument.name}: {name} {value!r} is no whole number from 1")
    return value


def _pace(instrument: Instrument) -> float | None:
    value = instrument.options.get("pace_baud")
    return None if value is None else float(str(value))
