"""A DH-Robotics electric gripper on Modbus RTU."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from drivers.codecs import dh_gripper as wire
from drivers.codecs.dh_gripper import Layout, State, Woken
from drivers.errors import CodecError, RefusedError, UnknownDriverError, WrongInstrumentError, about
from drivers.gate import Granted
from drivers.kinds import Kind
from drivers.links import ModbusLink
from drivers.links.busy import is_busy, while_busy
from drivers.parts.gripper import Gripper, GripperReport, Hold, Waking
from drivers.spec import DriverSpec, Option, Parts

log = logging.getLogger(__name__)

BAUD = 115200
SPEED_PERCENT = 50.0
_HOLD = {State.MOVING: Hold.MOVING, State.ARRIVED: Hold.NO, State.GRASPED: Hold.YES, State.DROPPED: Hold.DROPPED}
_WAKING = {Woken.NO: Waking.ASLEEP, Woken.YES: Waking.READY, Woken.UNDER_WAY: Waking.WAKING}


class DHGripper(Gripper):
    """A gripper whose fingers go from 0 to 1000."""

    def __init__(
        self,
        name: str,
        *,
        link: ModbusLink,
        limits: Mapping[str, float],
        layout: Layout,
        speed_percent: float,
        **base: Any,
    ) -> None:
        super().__init__(name, limits=limits, least_force_percent=wire.LEAST_FORCE_PERCENT, **base)
        self.link = link
        self._layout = layout
        self._speed = round(speed_percent)

    def _report(self) -> GripperReport:
        if self._layout.together:
            words = self.link.read_registers(wire.WAKING, 3)
        else:
            addresses = (wire.WAKING, self._layout.state, self._layout.position)
            words = tuple(self.link.read_registers(address, 1)[0] for address in addresses)
        with about(self.name):
            woken, state, opening_percent = wire.parse(words, self._layout)
        return GripperReport(_WAKING[woken], _HOLD[state], opening_percent)

    def _wake(self, grant: Granted) -> None:
        try:
            self.link.write_register(wire.WAKE, wire.FULLY, grant)
        except RefusedError as error:
            if not is_busy(error):
                raise
            # Whether it wakes all the same is asked for next.
            log.warning("%s: activate met a busy gripper (%s)", self.name, error)

    def _send_goal(self, opening_percent: float, force_percent: float, grant: Granted) -> None:
        self._write(wire.SPEED, self._speed, grant)
        self._write(wire.FORCE, round(force_percent), grant)
        self._write(wire.GOAL, self._layout.goal(opening_percent), grant)

    def _has_goal(self, opening_percent: float, force_percent: float) -> bool:
        force = self.link.read_registers(wire.FORCE, 1)[0]
        goal, speed = self.link.read_registers(wire.GOAL, 2)
        return (force, goal, speed) == (round(force_percent), self._layout.goal(opening_percent), self._speed)

    def _tell_stop(self, grant: Granted) -> None:
        # It knows no stop: where its fingers are becomes where they are to be. A grip is left as it is.
        found = self._report()
        if found.hold is Hold.MOVING:
            self._write(wire.GOAL, self._layout.goal(found.opening_percent), grant)

    def _write(self, address: int, value: int, grant: Granted) -> None:
        while_busy(lambda: self.link.write_register(address, value, grant))

    def _check_identity(self) -> str:
        try:
            found = self._report()
        except CodecError as error:
            raise WrongInstrumentError(
                f"{self.name}: {self.link.address} is no DH gripper ({error}): is the address right in the lab file?"
            ) from error
        return f"DH gripper, {found.waking}"


def _build(parts: Parts) -> DHGripper:
    default = Layout()
    layout = Layout(
        state=int(parts.option("state_register", default.state)),
        position=int(parts.option("position_register", default.position)),
        open_at=int(parts.option("open_at", default.open_at)),
        closed_at=int(parts.option("closed_at", default.closed_at)),
    )
    if layout.open_at == layout.closed_at:
        raise UnknownDriverError(f"{parts.name}: open_at and closed_at are both {layout.open_at} (options)")
    return DHGripper(
        **parts.base,
        link=parts.modbus(baudrate=int(parts.option("baud", BAUD))),
        limits=parts.limits,
        layout=layout,
        speed_percent=float(parts.option("speed", SPEED_PERCENT)),
    )


DRIVER = DriverSpec(
    Kind.GRIPPER,
    DHGripper,
    _build,
    limits={"force": "percent"},
    limited={"close": "force"},
    options={
        "speed": Option("of its fingers, part of the most (50 percent)", "percent"),
        "state_register": Option("which tells what the fingers do (0x0201)"),
        "position_register": Option("which tells where they are (0x0202)"),
        "open_at": Option("the position of open fingers (1000)"),
        "closed_at": Option("the position of closed fingers (0)"),
    },
)
