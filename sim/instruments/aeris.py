"""An Aeris diffractometer: `@...@END` telegrams over TCP, results as files in a folder.

@STATUS_REQUEST@SYSTEM@END                              -> ...@SYSTEM=remote@END
@STATUS_REQUEST@UNIT=xrd@END                            -> ...@READY=yes@END
@STATUS_REQUEST@LOCATION=0,3@END                        -> ...@STATE=occupied@END
@SAMPLE@ADD@APPLICATION=p@SAMPLE_ID=s@AT=0,3@END        -> ...@STATUS=normal@END
@SAMPLE@MEASURE@SAMPLE_ID=s@APPLICATION=p@END              or ...@STATUS=fatal@ERROR=words@END
@SAMPLE@MOVE@SAMPLE_ID=s@AT=0,a@TO=0,b@END              @SAMPLE@MOVE@SAMPLE_ID@AT=0,a@TO=0,b@END
@SAMPLE@REMOVE@SAMPLE_ID=s@END                          @SAMPLE@REMOVE@SAMPLE_ID@AT=0,a@END
                                                        (instruments.md 5.1; reply bytes are not published)

ADD with MEASURE=yes measures at once. Unasked, @SAMPLE@MEASURED@SAMPLE_ID=s@END goes before the first reply after a
sample was measured: whoever asks then hears it. No telegram tells one instrument from another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.diffractometers import DIFFRACTOMETER_OPTIONS, put_up_diffractometer
from sim.plant import Diffractometer, Plant, Programme
from sim.plant.diffractometer import Scan
from sim.site import Site
from sim.spec import Instrument
from sim.wire.receiver import Send
from sim.wire.telegrams import Telegram, TelegramReceiver

_SAMPLE_ID = re.compile(r"[\w.+-]+")


class Refused(Exception):  # noqa: N818 - a reply, not a fault
    """A telegram that cannot be carried out; the text goes into the reply."""


class Aeris:
    """One diffractometer's host port."""

    def __init__(self, plant: Plant, diffractometer: Diffractometer, programmes: Mapping[str, Programme]) -> None:
        self.name = diffractometer.name
        self._plant = plant
        self._diffractometer = diffractometer
        self._programmes = programmes
        self.system = "remote"
        """Who commands it, for checkers to change: ``remote`` or ``local``."""
        self.refusal: str | None = None
        """Why it refuses every sample, for checkers to set."""
        self.busy = False
        """Whether somebody at its panel has it measure: it is not ready, and refuses every sample."""
        self.hangs = False
        """Whether its goniometer hangs: it stays busy and writes nothing."""
        self._unasked: list[Telegram] = []
        self._slots: dict[str, int] = {}
        """Where each known sample is."""

    def unsolicited(self) -> bytes:
        """Give what it may say unasked."""
        return str(Telegram(("SAMPLE", "MEASURED"), {"SAMPLE_ID": "S0"})).encode("ascii")

    def power_cycle(self) -> None:
        """Have its mains fail and come back: it knows no sample, and what it measured is lost."""
        self._slots.clear()
        self._diffractometer.scan = None

    def receiver(self, send: Send) -> TelegramReceiver:
        """Give what listens on one connection."""

        def query(telegram: Telegram) -> Telegram:
            for message in self._unasked:
                send(str(message).encode("ascii"))
            self._unasked.clear()
            return self.query(telegram)

        return TelegramReceiver(send, query)

    def query(self, telegram: Telegram) -> Telegram:
        """Answer one telegram."""
        try:
            return self._query(telegram)
        except Refused as refusal:
            words = str(refusal).replace("@", " ").replace("=", " ")
            return Telegram(telegram.words, {"STATUS": "fatal", "ERROR": words})

    def _query(self, telegram: Telegram) -> Telegram:
        values = telegram.values
        match telegram.words:
            case ("STATUS_REQUEST", "SYSTEM"):
                return Telegram(("STATUS_REPORT",), {"SYSTEM": self.system})
            case ("STATUS_REQUEST",) if values.get("UNIT") == "xrd":
                ready = "no" if self._diffractometer.scan or self.busy else "yes"
                return Telegram(("STATUS_REPORT",), {"UNIT": "xrd", "READY": ready})
            case ("STATUS_REQUEST",) if "LOCATION" in values:
                state = "occupied" if self._slot(values["LOCATION"]) in self._diffractometer.holds else "free"
                return Telegram(("STATUS_REPORT",), {"LOCATION": values["LOCATION"], "STATE": state})
            case ("SAMPLE", ("ADD" | "MEASURE" | "MOVE" | "REMOVE") as verb, *rest) if rest in ([], ["SAMPLE_ID"]):
                if self.system != "remote" or self.refusal is not None:
                    raise Refused(self.refusal or "not under remote control")
                if self.busy:
                    raise Refused("busy with another sample")
                {"ADD": self._add, "MEASURE": self._measure, "MOVE": self._move, "REMOVE": self._remove}[verb](values)
                return Telegram(("SAMPLE", verb), {**values, "STATUS": "normal"})
        raise Refused("unknown telegram")

    def _add(self, values: Mapping[str, str]) -> None:
        sample_id, slot = values.get("SAMPLE_ID", ""), self._slot(values.get("AT", ""))
        self._programme(values)
        if not _SAMPLE_ID.fullmatch(sample_id):
            raise Refused(f"bad sample id {sample_id}")
        if slot not in self._diffractometer.holds:
            raise Refused(f"no sample at 0,{slot}")
        if sample_id in self._slots:
            raise Refused(f"sample {sample_id} is known already")
        # what was known to lie here has been taken off by hand
        self._slots = {known: place for known, place in self._slots.items() if place != slot}
        self._slots[sample_id] = slot
        if values.get("MEASURE") == "yes":
            self._measure(values)

    def _measure(self, values: Mapping[str, str]) -> None:
        sample_id, slot = self._known(values)
        programme = self._programme(values)
        if self._diffractometer.scan:
            raise Refused("busy with another sample")
        if slot not in self._diffractometer.holds:
            raise Refused(f"no sample at 0,{slot}")
        scan = self._diffractometer.start(sample_id, slot, programme, self._plant.now())
        self._plant.note(f"{self.name} measures {sample_id} in slot {slot}")
        self._plant.at(scan.end_s, f"{self.name} scan", lambda: self._finish(scan))

    def _finish(self, scan: Scan) -> None:
        if self.hangs or self._diffractometer.scan is not scan:
            return
        measured = self._diffractometer.measured(self._plant.now())
        sample_id, mislabel = measured.scan.sample_id, self._diffractometer.results.mislabel
        path = self._diffractometer.leave(f"{sample_id}.xrdml", measured.text(mislabel or sample_id, "xrdml"))
        self._plant.note(f"{self.name} wrote {'nothing' if path is None else path.name}")
        self._unasked.append(Telegram(("SAMPLE", "MEASURED"), {"SAMPLE_ID": sample_id}))

    def _move(self, values: Mapping[str, str]) -> None:
        sample_id, slot = self._known(values)
        goal, holds = self._slot(values.get("TO", "")), self._diffractometer.holds
        if slot not in holds or goal in holds or self._diffractometer.scan:
            raise Refused(f"sample {sample_id} cannot be moved to 0,{goal}")
        self._diffractometer.put(goal, self._diffractometer.take(slot))
        self._slots[sample_id] = goal

    def _remove(self, values: Mapping[str, str]) -> None:
        sample_id, slot = self._known(values)
        if self._diffractometer.scan and self._diffractometer.scan.slot == slot:
            raise Refused(f"sample {sample_id} is being measured")
        del self._slots[sample_id]

    def _known(self, values: Mapping[str, str]) -> tuple[str, int]:
        sample_id = values.get("SAMPLE_ID")
        if sample_id is None and "AT" in values:
            slot = self._slot(values["AT"])
            sample_id = next((known for known, place in self._slots.items() if place == slot), None)
        if sample_id not in self._slots:
            raise Refused(f"unknown sample {sample_id}")
        return str(sample_id), self._slots[str(sample_id)]

    def _programme(self, values: Mapping[str, str]) -> Programme:
        name = values.get("APPLICATION", "")
        if name not in self._programmes:
            raise Refused(f"unknown application {name}")
        return self._programmes[name]

    def _slot(self, location: str) -> int:
        belt, _, slot = location.partition(",")
        if belt != "0" or not slot.isdecimal() or int(slot) not in self._diffractometer.numbers:
            raise Refused(f"bad location {location}")
        return int(slot)


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> Aeris:
    diffractometer = put_up_diffractometer(site, instrument)
    programs = site.option(instrument, "programs")
    aeris = Aeris(site.plant, diffractometer, {name: Programme(*scan) for name, scan in programs.items()})
    site.answer(instrument, spot, aeris.receiver)
    return aeris


MODEL = Model(
    Carrier.TCP,
    Language.TEXT,
    _put_up,
    {**DIFFRACTOMETER_OPTIONS, "programs": {"10-80deg-8min": (10.0, 80.0, 480.0)}},
)
