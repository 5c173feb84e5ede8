from collections.abc import Callable

import pytest

from drivers.clock import JumpClock
from sim.chemistry import Truth
from sim.plant import BoxFurnace, Doser, Head, Plant
from sim.spec import Lot


@pytest.fixture(scope="session")
def truth() -> Truth:
    return Truth.nominal()


@pytest.fixture
def clock() -> JumpClock:
    return JumpClock()


@pytest.fixture
def plant(clock: JumpClock, truth: Truth) -> Plant:
    """A room with a furnace of four slots and a doser with two heads."""
    plant = Plant(clock, truth, seed=11)
    plant.add_furnace(BoxFurnace("furnace-1", clock.now(), 11), 4, "air")
    heads = {1: Head(1, Lot("BaCO3-a", "BaCO3"), 20_000.0), 2: Head(2, Lot("TiO2-a", "TiO2"), 300.0)}
    plant.add_doser(Doser("doser-1", heads, truth, 11))
    return plant


@pytest.fixture
def wait(clock: JumpClock) -> Callable[[float], None]:
    """Let lab time pass."""
    return lambda seconds: clock.sleep_until(clock.now() + seconds)
