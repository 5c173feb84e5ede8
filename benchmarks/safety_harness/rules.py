"""The shipped rules: what they are, whether a mistake in them is noticed, whether a bad input is ever believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.safety_harness.bad_inputs import Scans, random_scans
from benchmarks.safety_harness.trials import ROOT, Trials
from lab.config.lab_file import LabConfig, limited_of, load_lab
from lab.safety.commands.judgement import Limits
from lab.safety.interlocks.expressions import Value
from lab.safety.interlocks.file import load_interlock_file
from lab.safety.interlocks.file_tests import RuleTest, read_tests
from lab.safety.interlocks.lint import Site, linted, site_of
from lab.safety.interlocks.mutants import killer, mutants
from lab.safety.interlocks.rules import Interlocks

LAB = ROOT / "examples" / "lab.yaml"
BLOCK = 5000
"""Random scans that are one trial."""
SEQUENCES = 250
"""Sequences of the state machine that are one trial."""
STEPS = 50


@dataclass(frozen=True)
class Shipped:
    """The example laboratory and its rules."""

    config: LabConfig
    site: Site
    interlocks: Interlocks
    tests: tuple[RuleTest, ...]

    @property
    def normal(self) -> Mapping[str, Value]:
        """Readings at which nothing acts, rises under their keys."""
        # The tests that the file does not say itself: that each rule leaves normal work alone.
        return self.tests[-1].values

    @property
    def lab_values(self) -> dict[str, Value]:
        """What a lab service says where nothing is wrong; its furnaces are cold, as the plant's are."""
        signals = self.interlocks.signals.values()
        return {signal.name: self.normal[signal.name] for signal in signals if not signal.own}


def shipped(path: Path = LAB) -> Shipped:
    """Read, lint and compile what `examples/` ships."""
    config = load_lab(path)
    loaded, site = load_interlock_file(config.interlocks_path), site_of(config)
    return Shipped(config, site, linted(loaded, site), read_tests(loaded))


def killed(rules: Shipped) -> Counter[tuple[str, bool]]:
    """How many mutants there are, by kind of rule and whether somebody notices."""
    counts: Counter[tuple[str, bool]] = Counter()
    for mutant in mutants(rules.interlocks):
        kind = next(rule.kind for rule in rules.interlocks.rules if rule.id == mutant.rule_id)
        counts[kind, killer(mutant, rules.tests, rules.site) is not None] += 1
    return counts


def bad_inputs(trials: Trials, count: int, rules: Shipped, seed: int) -> Counter[str]:
    """Make random scans with a bad input, a block at a time; what came of them."""
    config = rules.config
    limits = {
        name: Limits(
            limited_of(device),
            tuple(furnace for furnace, its in config.furnaces.items() if its.watched_by == name),
        )
        for name, device in config.devices.items()
    }
    figure, size = "bad-inputs", min(BLOCK, count)
    for block in trials.missing(figure, count // size):
        scans = Scans(rules.interlocks, limits, rules.normal)
        trials.add(figure, block, dict(random_scans(scans, size, seed * 1_000 + block)))
    return sum((Counter(found) for found in trials.done(figure).values()), Counter[str]())


def sequences(trials: Trials, count: int, seed: int) -> int:
    """Run the state machine of the tests; gives in how many of its blocks something was violated."""
    from hypothesis import seed as seeded
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.lab.safety_machine import SafetyMachine

    figure, size = "sequences", min(SEQUENCES, count)
    how = settings(max_examples=size, stateful_step_count=STEPS, deadline=None, database=None)
    for block in trials.missing(figure, count // size):
        violations = 0
        try:
            run_state_machine_as_test(seeded(seed * 1_000 + block)(SafetyMachine), settings=how)
        except AssertionError as error:
            print(f"sequences, seed {seed * 1_000 + block}: {error}")
            violations = 1
        trials.add(figure, block, {"violations": violations})
    return sum(found["violations"] for found in trials.done(figure).values())
