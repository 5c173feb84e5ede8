"""Puts the instruments of a laboratory up: physics into the plant, wires onto the switchboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sim.addresses import Spot, spot_of
from sim.errors import BadOptionError, UnknownLotError, concerning
from sim.model import Model, model_of, option
from sim.plant import Plant
from sim.spec import Flow, Instrument, Laboratory, Lot
from sim.switchboard import Switchboard, folder_of
from sim.wire.modbus_pdu import ModbusDevice
from sim.wire.receiver import OpenReceiver


class Site:
    """What a model finds when it is put up: the plant, the wires, and whoever was put up before it."""

    def __init__(self, laboratory: Laboratory, plant: Plant, switchboard: Switchboard, folder: Path) -> None:
        self.plant = plant
        self.instruments: dict[str, object] = {}
        """By their names, as `Model.put_up` gave them."""
        self._laboratory = laboratory
        self._folder = folder
        self._switchboard = switchboard
        self._models: dict[str, Model] = {}

    def put_up_all(self) -> None:
        """Put up every instrument of the laboratory; raises the family of `SimError`."""
        models = self._models
        for instrument in self._laboratory.instruments:
            with concerning(instrument.name):
                models[instrument.name] = model_of(instrument)
        for instrument in sorted(self._laboratory.instruments, key=lambda i: not models[i.name].first):
            model = models[instrument.name]
            with concerning(instrument.name):
                spot = spot_of(instrument, model.carrier, model.language)
                self.instruments[instrument.name] = model.put_up(self, instrument, spot)

    # -- for models

    def option(self, instrument: Instrument, name: str) -> Any:
        """Give what an instrument was told, or what its model takes where nobody said."""
        return option(instrument, self._models[instrument.name], name)

    def count(self, instrument: Instrument, name: str) -> int:
        """Give an option that is a whole number from 1.

        Raises:
            BadOptionError: Where it is none.
        """
        value = self.option(instrument, name)
        if not isinstance(value, int) or value < 1:
            raise BadOptionError(f"{instrument.name}: {name} {value!r} is no whole number from 1")
        return value

    def lot(self, instrument: Instrument, name: str) -> Lot:
        """Give a lot of the stock.

        Raises:
            UnknownLotError: Where it is not in stock.
            BadOptionError: Where it flows in no way that there is.
        """
        lot = self._laboratory.lots.get(name)
        if lot is None:
            known = ", ".join(sorted(self._laboratory.lots)) or "none"
            raise UnknownLotError(
                f"{instrument.name}: a head holds lot {name!r}, which is not in stock: there are {known}"
            )
        if lot.flow not in set(Flow):
            raise BadOptionError(f"lot {name}: flow {lot.flow!r} is none of {', '.join(Flow)}")
        return lot

    def watch_folder(self, instrument: Instrument, spot: Spot) -> Path:
        """Give the folder through which an instrument takes and leaves files; looking into it is the model's task.

        Raises:
            BadAddressError: It is no folder, cannot be made, or another instrument has it.
        """
        self._switchboard.add_folder(instrument.name, spot)
        return folder_of(instrument.name, spot, self._folder)

    def answer_modbus(self, instrument: Instrument, spot: Spot, unit: ModbusDevice) -> None:
        """Have a Modbus unit answer at its spot, under `Plant.heat`.

        Raises:
            BadAddressError: Another instrument answers there.
        """
        self._switchboard.add_unit(instrument.name, spot, unit, _pace(instrument))

    def answer(self, instrument: Instrument, spot: Spot, open_receiver: OpenReceiver) -> None:
        """Have whatever else it speaks answered at its spot; raises as `answer_modbus`.

        Receivers run under the lock of the language: `Plant.heat` for what must answer at once, `Plant.lock` for text.
        Several may share a line where each of them has a `unit`: every one hears everything then.
        """
        self._switchboard.add_receiver(instrument.name, spot, open_receiver, _pace(instrument))


def _pace(instrument: Instrument) -> float | None:
    value = instrument.options.get("pace_baud")
    return None if value is None else float(str(value))
