"""What somebody can do at the devices of a laboratory: ask what a command would meet, and act and wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivers.clock import Clock
from drivers.gate import Command, CommandDeniedError, DriverError, acting_as
from lab.errors import LabError
from lab.safety.commands.gateway import Gateway, Verdict
from lab.safety.commands.leases import Lease
from lab.safety.commands.spoken import Verb, verbs_of

CONTACTOR = ("close-contactor", "open-contactor")
"""What a furnace lends from the module that holds its contactor."""

Arguments = Mapping[str, object]


class ManualError(LabError):
    """Something that cannot be done by hand; with every reason."""

    def __init__(self, text: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.reasons = reasons or (text,)


@dataclass(frozen=True)
class Hands:
    """The devices, and the gateway that stands before them."""

    devices: Mapping[str, Any]
    gateway: Gateway
    clock: Clock

    def modules(self, device: str) -> list[str]:
        """The safety modules that hold the contactor of a furnace."""
        limits = self.gateway.limits.items()
        return [name for name, limit in limits if device in limit.watched and name in self.devices]

    def verbs(self, device: str) -> dict[str, Verb]:
        """What can be done at a device, the contactor that feeds it included."""
        found = verbs_of(self.devices[device])
        for module in self.modules(device):
            contactor = verbs_of(self.devices[module])
            found |= {name: contactor[name] for name in CONTACTOR if name in contactor}
        return found

    def form(self, device: str, verb: str) -> tuple[str, Verb]:
        """Where a verb is carried out, and how it is written.

        Raises:
            ManualError: Where the device has no such verb.
        """
        verbs = self.verbs(device)
        if verb not in verbs:
            known = "; ".join(form.usage for form in verbs.values())
            raise ManualError(f"{device} cannot be told to {verb!r} by hand: there are {known}")
        own = verb in verbs_of(self.devices[device])
        return device if own else self.modules(device)[0], verbs[verb]

    def program(self, device: str) -> str:
        """The state of a furnace's programmer as seen last; empty for other devices."""
        status = getattr(self.devices.get(device), "program_status", None)
        return "" if status is None else str(status.get())

    def ask(self, device: str, verb: str, arguments: Arguments, lease: Lease) -> tuple[Verdict, tuple[str, ...]]:
        """What the driver would ask of the gateway and what that thinks of it; and what the driver itself refuses."""
        errors: tuple[str, ...] = ()
        with acting_as(lease.holder, lease.id), self.gateway.only_asking() as verdicts:
            try:
                self.devices[device].set(verb, **arguments)
            except CommandDeniedError:
                pass  # the verdict has the reasons
            except DriverError as error:
                errors = (str(error),)
        return verdicts[0] if verdicts else Verdict(Command(device, verb), (), ()), errors

    def act(
        self, device: str, verb: str, arguments: Arguments, lease: Lease, within_s: float
    ) -> tuple[DriverError | None, bool]:
        """Have a device act, and wait in lab time; gives what went wrong, and whether it has ended."""
        over = self.clock.event()
        try:
            with acting_as(lease.holder, lease.id):
                status = self.devices[device].set(verb, **arguments)
        except DriverError as error:
            return error, True
        status.add_callback(lambda _: over.set())
        done = over.wait(self.clock.now() + within_s)
        return status.exception(), done
