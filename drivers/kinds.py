"""What instruments are for."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What an instrument is for."""

    FURNACE = "furnace"
    SAFETY = "safety module"
    DOSER = "doser"
    BALANCE = "balance"
    GAS = "gas flow controller"
    MOVER = "mover"
    ROBOT = "robot"
    GRIPPER = "gripper"
    MILL = "mill"
    SHAKER = "shaker"
    DOOR = "door"
    DIFFRACTOMETER = "diffractometer"
    SPECTROMETER = "spectrometer"
