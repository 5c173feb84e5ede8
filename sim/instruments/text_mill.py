"""A mill that a laboratory has built itself: lines ended by LF over TCP, as `sim.parts.text_motor` has them."""

from __future__ import annotations

from sim.addresses import Carrier, Language, Spot
from sim.model import Model
from sim.parts.text_motor import MOTOR_OPTIONS, TextMotor, put_up_motor
from sim.site import Site
from sim.spec import Instrument


def _put_up(site: Site, instrument: Instrument, spot: Spot) -> TextMotor:
    machine = put_up_motor(site, instrument, "text-mill", shakes=False)
    site.answer(instrument, spot, machine.receiver)
    return machine


MODEL = Model(Carrier.TCP, Language.TEXT, _put_up, MOTOR_OPTIONS)
