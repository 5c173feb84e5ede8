from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from lab.safety.commands.gateway import HAZARDOUS
from tests.lab.safety_machine import SafetyMachine

SEQUENCES = 2000 if os.environ.get("CI") else 150


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_whatever_recipes_people_and_the_supervisor_do_the_gateway_and_the_model_agree() -> None:
    few = settings(max_examples=SEQUENCES, stateful_step_count=40, deadline=None, database=None, derandomize=True)
    SafetyMachine.counts.clear()
    run_state_machine_as_test(SafetyMachine, settings=few)
    for verb in HAZARDOUS:
        assert SafetyMachine.counts[verb, True] > 20, SafetyMachine.counts
        assert SafetyMachine.counts[verb, False] > 20, SafetyMachine.counts
