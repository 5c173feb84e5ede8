"""What people and programs send to the lab service."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str, Field(min_length=1, max_length=2000)]
Secret = Annotated[str, Field(max_length=1000)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Body(BaseModel):
    """A JSON object with no other keys than these."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Login(Body):
    """Who one is."""

    user: Name
    secret: Secret


class NewSecret(Login):
    """A secret of one's own choice in place of the one so far."""

    new_secret: Secret


class Take(Body):
    """A device to be driven by hand."""

    device: Name


class Arm(Body):
    """A command that is to be given, but not yet."""

    lease: Name
    device: Name
    verb: Name
    value: Annotated[str, Field(max_length=200)] | None = None
    """As a person writes it, with its unit: ``400 degC``."""


class Execute(Body):
    """A command that was armed."""

    token: Name


class Hold(Body):
    """Work that is to wait: of a device, of a sample, or all of the campaign."""

    what: Name = "campaign"
    reason: Words


class Resume(Body):
    """Work that goes on."""

    what: Name = "campaign"


class LockOut(Body):
    """A device that nobody may start."""

    device: Name
    reason: Words


class LockOutRemoval(Body):
    """A lock that is taken off."""

    device: Name
    of: Name | None = None
    """Whose, where it is somebody else's."""


class AlarmKey(Body):
    """One alarm."""

    key: Name


class AlarmOut(AlarmKey):
    """One alarm that is out of service."""

    reason: Words


class AlarmShelf(AlarmOut):
    """One alarm that is silent for a while."""

    for_s: Seconds


class BypassWish(Body):
    """A rule that is to be suspended."""

    rule: Name
    reason: Words
    for_s: Seconds
    measure: Words
    """What is done instead."""


class Rearm(Body):
    """A safety module whose watchdog is to be armed again."""

    module: Name
