"""What can go wrong with the electronics of a balance, by the names under which the relay knows it."""

from __future__ import annotations

from sim.parts.sics import Sics


class SicsFaults:
    """An instrument that weighs; `sics` is its balance."""

    sics: Sics

    @property
    def busy(self) -> bool:
        """Whether it refuses everything because it is at something else."""
        return self.sics.busy

    @busy.setter
    def busy(self, busy: bool) -> None:
        self.sics.busy = busy

    @property
    def stuck(self) -> bool:
        """Whether its cell goes on telling what it told."""
        return self.sics.stuck

    @stuck.setter
    def stuck(self, stuck: bool) -> None:
        self.sics.stuck = stuck

    @property
    def other_device(self) -> bool:
        """Whether another one of the kind answers in its place."""
        return self.sics.other_device

    @other_device.setter
    def other_device(self, other_device: bool) -> None:
        self.sics.other_device = other_device
