"""What can go wrong on a wire or in an instrument, and what the relay notes when it has done so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """The 27 faults, in the order of their numbers."""

    NO_REPLY = "no-reply"
    LATE_REPLY = "late-reply"
    DUPLICATE_REPLY = "duplicate-reply"
    PARTIAL_FRAME = "partial-frame"
    BAD_CHECKSUM = "bad-checksum"
    NOISE = "noise"
    FOREIGN_REPLY = "foreign-reply"
    EXCEPTION = "exception"
    SENSOR_BREAK = "sensor-break"
    STUCK = "stuck"
    SETPOINT_IGNORED = "setpoint-ignored"
    WRONG_DECIMALS = "wrong-decimals"
    INT16_WRAP = "int16-wrap"
    DISCONNECT = "disconnect"
    OTHER_DEVICE = "other-device"
    DEAD_CONNECTION = "dead-connection"
    PAYLOAD_CORRUPTION = "payload-corruption"
    UNSOLICITED = "unsolicited"
    MULTILINE_CUT = "multiline-cut"
    BEGUN_THEN_NOTHING = "begun-then-nothing"
    BUSY = "busy"
    POWER_CYCLE = "power-cycle"
    LOCAL_CHANGE = "local-change"
    TWO_MASTERS = "two-masters"
    SLOW_DRIP = "slow-drip"
    CLOCK_JUMP = "clock-jump"
    WATCHDOG_EXPIRY = "watchdog-expiry"

    @property
    def number(self) -> int:
        """1 to 27."""
        return NUMBERS[self]

    @property
    def about(self) -> str:
        """What happens, in a sentence."""
        return ABOUT[self]

    @property
    def variants(self) -> tuple[str, ...]:
        """The ways in which it happens; one of them is drawn where nobody says."""
        return VARIANTS.get(self, ("",))


NUMBERS: Mapping[Fault, int] = {fault: number for number, fault in enumerate(Fault, start=1)}

ABOUT: Mapping[Fault, str] = {
    Fault.NO_REPLY: "The reply or the request is lost.",
    Fault.LATE_REPLY: "The reply comes after the timeout of whoever asked.",
    Fault.DUPLICATE_REPLY: "The reply comes twice.",
    Fault.PARTIAL_FRAME: "A part of a frame comes, and no more.",
    Fault.BAD_CHECKSUM: "A frame comes whole, and its checksum is wrong.",
    Fault.NOISE: "Bytes are changed at random, or come before the frame.",
    Fault.FOREIGN_REPLY: "The reply says that another unit gives it.",
    Fault.EXCEPTION: "The instrument refuses with a Modbus exception.",
    Fault.SENSOR_BREAK: "The sensor is broken, and the reading is whatever the instrument shows then.",
    Fault.STUCK: "Readings stay what they are, while everything is answered.",
    Fault.SETPOINT_IGNORED: "What is written is acknowledged, and nothing changes.",
    Fault.WRONG_DECIMALS: "The instrument counts with another number of decimals than before.",
    Fault.INT16_WRAP: "A value is a little below zero, 65521 to whoever forgets the sign.",
    Fault.DISCONNECT: "The cable is pulled and plugged in again; a pseudo-terminal has another number then.",
    Fault.OTHER_DEVICE: "After the cable was pulled another instrument of the kind answers.",
    Fault.DEAD_CONNECTION: "A TCP connection is reset, or is open and carries nothing any more.",
    Fault.PAYLOAD_CORRUPTION: "A value is another one, where no checksum tells.",
    Fault.UNSOLICITED: "Something comes that nobody asked for.",
    Fault.MULTILINE_CUT: "A reply of several lines ends after some of them.",
    Fault.BEGUN_THEN_NOTHING: "A command is acknowledged as begun, and its end is never told.",
    Fault.BUSY: "The instrument says that it is busy.",
    Fault.POWER_CYCLE: "The instrument loses power for a moment.",
    Fault.LOCAL_CHANGE: "Somebody changes a setting at the panel.",
    Fault.TWO_MASTERS: "Somebody else asks on the same wire.",
    Fault.SLOW_DRIP: "The reply comes byte by byte.",
    Fault.CLOCK_JUMP: "The clock jumps: no relay can do that, the injected clock is what covers it.",
    Fault.WATCHDOG_EXPIRY: "The watchdog runs out although it is served.",
}

VARIANTS: Mapping[Fault, tuple[str, ...]] = {
    Fault.NO_REPLY: ("reply", "request"),
    Fault.DUPLICATE_REPLY: ("at once", "after 20 ms"),
    Fault.PARTIAL_FRAME: ("first 4 bytes", "without the last byte", "request"),
    Fault.BAD_CHECKSUM: ("reply", "request"),
    Fault.NOISE: ("5 %", "30 %", "100 %", "before", "request"),
    Fault.EXCEPTION: ("1", "2", "3", "4", "5", "6", "7", "8", "10", "11"),
    Fault.DISCONNECT: ("request", "reply"),
    Fault.DEAD_CONNECTION: ("reset", "half-open", "hang"),
    Fault.UNSOLICITED: ("before", "after"),
    Fault.TWO_MASTERS: ("their reply first", "our reply lost"),
}
"""``request`` where it is the request that suffers; then the instrument has not heard it."""


@dataclass(frozen=True)
class Injection:
    """Something that the relay has done."""

    t_s: float
    """Lab time in POSIX seconds."""
    wall_s: float
    """The machine's monotonic clock, one and the same for all its processes."""
    instrument: str
    """Who was asked, or answered, when it was done."""
    fault: Fault
    detail: str = ""
    """The variant and what else there is to tell; begins with ``over`` where something that lasted has ended."""

    @property
    def over(self) -> bool:
        """Whether this is the end of what began earlier."""
        return self.detail.startswith(OVER)


OVER = "over"
