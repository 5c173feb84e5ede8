"""Whether an interlock file fits the laboratory that it is to protect."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.kinds import Kind
from lab.config.lab_file import LabConfig
from lab.safety.commands.contents import ASKED as CONTENTS
from lab.safety.commands.judgement import SAFER
from lab.safety.interlocks.expressions import Comparison, Known, Rise, Value, leaves
from lab.safety.interlocks.file import LoadedFile, load_interlock_file
from lab.safety.interlocks.kinds import is_temperature
from lab.safety.interlocks.reach import constant, covers, only_known, settled
from lab.safety.interlocks.rules import Interlocks, Rule, Signal
from protocols.documents import DocumentError
from protocols.quantities import QuantityError, parse_quantity
from protocols.recipe import SAFE_TO_HANDLE_DEGC

DOOR = "{}.door.open"
HEAT = "{}.heat"

TOO_HOT_DEGC = (SAFE_TO_HANDLE_DEGC, 200.0, 1000.0)
"""Temperatures at which no rule may let a furnace's door open."""

CARRIED = ("load", "unload")
"""What it asks for besides, of every device and place that something is carried to or from."""

PLACES = ("mill-1",)
"""Places that are no device, and whose contents the lab service knows."""

HOLDERS = frozenset({Kind.FURNACE, Kind.MILL, Kind.SHAKER})
"""Devices whose contents may be asked for: there a fire starts. Where no task puts samples they are unknown."""

if TYPE_CHECKING:
    from drivers.spec import DriverSpec

HARDWIRED = {"di3": "the emergency stop", "di7": "the over-temperature limiter"}
"""Channels of a safety module whose rules nobody may bypass."""

Finding = tuple[tuple[object, ...], str]
"""Keys under which a fault stands in the file, and a sentence."""


@dataclass(frozen=True)
class Site:
    """What the rules must fit."""

    drivers: Mapping[str, DriverSpec]
    """Device name to what its driver says of itself."""
    furnaces: Mapping[str, str]
    """Furnace that is watched to its safety module."""
    modules: Collection[str]
    """Names of the safety modules."""

    def channels(self, device: str) -> Mapping[str, str | None]:
        """What the lab service knows of a device or place: name to unit, None for a switch."""
        driver = self.drivers.get(device)
        kind = None if driver is None else driver.kind
        found: dict[str, str | None] = {}
        if driver is not None:
            found = {channel: unit or None for channel, unit in driver.reads.items()}
            found["comm_ok"] = None
        if kind in HOLDERS or device in PLACES:
            found |= dict.fromkeys((f"contents.{name}" for name in CONTENTS), None)
        if driver is not None and hasattr(driver.device, "inside"):
            found |= dict.fromkeys((f"inside.{furnace}" for furnace in self.all_furnaces), None)
        return found

    @property
    def all_furnaces(self) -> list[str]:
        """Furnaces that are watched, and the others."""
        return [name for name, spec in self.drivers.items() if spec.kind is Kind.FURNACE]

    @property
    def targets(self) -> list[str]:
        """Everything that a permissive can be for."""
        heat = [form.format(furnace) for furnace in self.all_furnaces for form in (DOOR, HEAT)]
        never = SAFER | {"start-watchdog"}
        verbs = [f"{name}.{verb}" for name, spec in self.drivers.items() for verb in spec.asks if verb not in never]
        return [*heat, *verbs, *(f"{place}.{verb}" for place in (*self.drivers, *PLACES) for verb in CARRIED)]


def site_of(lab: LabConfig) -> Site:
    """What rules for this lab must fit."""
    return Site(
        drivers={name: device.spec for name, device in lab.devices.items()},
        furnaces=lab.watched,
        modules=list(lab.safety_modules),
    )


def interlocks_of(lab: LabConfig) -> Interlocks:
    """Read the interlock file of a lab and make sure that it fits.

    Raises:
        DocumentError: With every fault and its line.
    """
    return linted(load_interlock_file(lab.interlocks_path), site_of(lab))


def linted(loaded: LoadedFile, site: Site) -> Interlocks:
    """Refuse rules that would never be applied, and furnaces that the rules watch weakly or not at all.

    Raises:
        DocumentError: With every fault and its line.
    """
    faults = [loaded.fault(keys, message) for keys, message in lint(loaded.interlocks, site)]
    if faults:
        raise DocumentError(faults)
    return loaded.interlocks


def lint(interlocks: Interlocks, site: Site) -> list[Finding]:
    """Everything that is wrong with these rules in this lab."""
    found = [*_sources(interlocks, site), *_targets(interlocks, site), *_rules(interlocks)]
    # With a misspelt module or target, what it is then missing from would be told as a fault of its own.
    found = found or [*_strangers(interlocks, site)]
    return found or [*_doors(interlocks, site), *_heat(interlocks, site), *_dead(interlocks)]


# ---------------------------------------------------------------- what the file names


def _sources(interlocks: Interlocks, site: Site) -> Iterator[Finding]:
    for name, signal in interlocks.signals.items():
        if signal.own != (signal.device in site.modules):
            yield ("signals", name, "source"), _wrong_source(signal, site)
        elif not signal.own and signal.device not in (*site.drivers, *PLACES):
            yield (
                ("signals", name, "source"),
                f"{name}: the lab has no device {signal.device!r}: {_there_are([*site.drivers, *PLACES])}",
            )
        elif not signal.own:
            yield from _lab_channel(signal, site)
        quality = interlocks.signals.get(signal.quality or "")
        if signal.own and quality is not None and not quality.own:
            yield (
                ("signals", name, "quality"),
                f"{name}: depends on {quality.name} of the lab service: name an own input",
            )
    sources: dict[tuple[str, str], str] = {}
    for name, output in interlocks.outputs.items():
        if output.device not in site.modules:
            yield (
                ("outputs", name),
                f"{name}: the lab has no safety module {output.device!r}: {_there_are(site.modules)}",
            )
        first = sources.setdefault((output.device, output.channel), name)
        if first != name:
            yield ("outputs", name), f"{name}: is {output.device}.{output.channel}, and so is {first}: keep one of them"


def _wrong_source(signal: Signal, site: Site) -> str:
    if signal.own:
        return f"{signal.name}: the lab has no safety module {signal.device!r}: {_there_are(site.modules)}"
    return f"{signal.name}: {signal.device} is a safety module, and has ai1 to ai8, di1 to di8 and do1 to do4 alone"


def _lab_channel(signal: Signal, site: Site) -> Iterator[Finding]:
    """What is wrong with the name or the unit of what the lab service is asked for."""
    at, known = ("signals", signal.name, "source"), site.channels(signal.device)
    if signal.channel not in known:
        yield at, f"{signal.name}: {signal.device} has no {signal.channel!r}: {_nearest(signal.channel, known)}"
        return
    unit = known[signal.channel]
    if unit is None and signal.unit is not None:
        yield at, f"{signal.name}: {signal.channel} is a switch: take the unit out"
    elif unit is not None and (signal.unit is None or not _converts(unit, signal.unit)):
        yield at, f"{signal.name}: {signal.channel} is in {unit}, and the unit is {signal.unit}: write {unit}"


def _converts(unit: str, wanted: str) -> bool:
    try:
        parse_quantity(f"1 {unit}", wanted)
    except QuantityError:
        return False
    return True


def _targets(interlocks: Interlocks, site: Site) -> Iterator[Finding]:
    for i, rule in enumerate(interlocks.rules):
        if rule.kind == "permissive" and rule.target not in site.targets:
            yield (
                ("rules", i, "for"),
                f"{rule.id}: nothing asks for {rule.target!r}: {_nearest(rule.target, site.targets)}",
            )
        if rule.kind == "hold" and rule.target not in site.drivers:
            yield (
                ("rules", i, "for"),
                f"{rule.id}: no device is named {rule.target!r}: {_nearest(rule.target, site.drivers)}",
            )
        if rule.id in [other.id for other in interlocks.rules[:i]]:
            yield ("rules", i, "id"), f"{rule.id}: is the id of two rules: give each its own"


# ---------------------------------------------------------------- each rule alone


def _rules(interlocks: Interlocks) -> Iterator[Finding]:
    for i, rule in enumerate(interlocks.rules):
        if rule.kind == "trip":
            yield from _of_the_lab(interlocks, i, rule)
        if rule.kind == "permissive" and rule.when.rises:
            yield (
                ("rules", i, "when"),
                f"{rule.id}: asks for a rise, and a permissive is judged at one moment, before which nobody may have "
                "watched for so long: make it an interlock with `after`",
            )
        why = _why_never_bypassed(interlocks, rule) if rule.bypassable else None
        if why is not None:
            yield ("rules", i, "bypassable"), f"{rule.id}: watches {why}, which nobody may bypass: take bypassable out"


def _of_the_lab(interlocks: Interlocks, i: int, rule: Rule) -> Iterator[Finding]:
    names = [name for name in sorted(rule.when.signals) if name in interlocks.signals]
    lab = [name for name in names if not interlocks.signals[name].own]
    if lab:
        yield (
            ("rules", i, "when"),
            f"{rule.id}: trips on {', '.join(lab)} of the lab service, and a trip uses only what the supervisor reads "
            "itself: make it an interlock",
        )


def _why_never_bypassed(interlocks: Interlocks, rule: Rule) -> str | None:
    if rule.kind in ("alarm", "hold"):
        return None
    if any(isinstance(leaf, Known) for leaf in leaves(rule.when)):
        return "whether an input can be believed"
    for name in sorted(rule.when.signals):
        signal = interlocks.signals.get(name)
        if signal is not None and signal.own and signal.channel in HARDWIRED:
            return HARDWIRED[signal.channel]
        if signal is not None and signal.own and is_temperature(signal.unit):
            return "an independent temperature"
    return None


def _dead(interlocks: Interlocks) -> Iterator[Finding]:
    """Rules that can never change anything, or never let anything happen."""
    for i, rule in enumerate(interlocks.rules):
        at = ("rules", i, "when")
        settled_parts = [f"{rule.id}: {text}" for text in _settled_parts(interlocks, rule)]
        yield from ((at, text) for text in settled_parts)
        always = None if settled_parts else constant(rule.when, interlocks)
        good = rule.kind in ("permissive", "interlock")
        if always is not None and not (only_known(rule.when) and always is good):
            yield at, f"{rule.id}: is {'always' if always else 'never'} true, whatever is read: compare what can change"
        if rule.kind not in ("permissive", "interlock", "trip"):
            continue
        for j, other in enumerate(interlocks.rules):
            if j != i and covers(other, rule, interlocks) and not (i < j and covers(rule, other, interlocks)):
                yield at, f"{rule.id}: changes nothing, for {other.id} acts whenever it does: take one of them out"


def _settled_parts(interlocks: Interlocks, rule: Rule) -> Iterator[str]:
    for leaf in leaves(rule.when):
        truth = settled(leaf, interlocks) if isinstance(leaf, Comparison) else None
        if truth is not None:
            spans = ", ".join(
                f"{name} lies between {signal.low:g} and {signal.high:g} {signal.unit}"
                for name in sorted(leaf.signals)
                if (signal := interlocks.signals.get(name)) is not None
            )
            yield f"{leaf} is {'always' if truth else 'never'} true, for {spans} (range): move the limit into it"


# ---------------------------------------------------------------- furnaces


def _strangers(interlocks: Interlocks, site: Site) -> Iterator[Finding]:
    """Rules about a furnace that read nothing of it: they were copied from another one."""
    for i, rule in enumerate(interlocks.rules):
        for furnace, module in site.furnaces.items():
            contactors = [name for name, output in interlocks.outputs.items() if output.device == module]
            if rule.target not in (*contactors, DOOR.format(furnace), HEAT.format(furnace)):
                continue
            own = [name for name, signal in interlocks.signals.items() if _belongs(signal, furnace, module)]
            if not rule.when.signals & {*own, *contactors}:
                yield (
                    ("rules", i, "when"),
                    f"{rule.id}: reads no input of {module}, which watches {furnace}: {_there_are(own)}",
                )


def _belongs(signal: Signal, furnace: str, module: str) -> bool:
    return signal.device in (furnace, module) or furnace in signal.channel


def _doors(interlocks: Interlocks, site: Site) -> Iterator[Finding]:
    for furnace, module in site.furnaces.items():
        rules = interlocks.permissives(DOOR.format(furnace))
        if not rules:
            yield ("rules",), f"no permissive for {DOOR.format(furnace)}: add one that asks for a cold furnace"
        elif _opens_hot(interlocks, rules, module):
            yield (
                ("rules", interlocks.rules.index(rules[0]), "when"),
                f"{rules[0].id}: {furnace} would open at {SAFE_TO_HANDLE_DEGC:g} degC: "
                f"ask for less than {SAFE_TO_HANDLE_DEGC:g} degC",
            )


def _heat(interlocks: Interlocks, site: Site) -> Iterator[Finding]:
    for furnace, module in site.furnaces.items():
        contactors = [name for name, o in interlocks.outputs.items() if (o.device, o.channel) == (module, "do1")]
        guarded = [
            rule for rule in interlocks.rules if rule.kind in ("interlock", "trip") and rule.target in contactors
        ]
        if not guarded and not interlocks.permissives(HEAT.format(furnace)):
            yield (
                ("rules",),
                f"nothing guards the heat of {furnace}: add a permissive for {HEAT.format(furnace)}, "
                f"or an interlock or trip for its contactor {module}.do1",
            )


def _opens_hot(interlocks: Interlocks, rules: list[Rule], module: str) -> bool:
    """Whether all rules can hold together while every temperature of the module is too hot."""
    names = sorted(frozenset().union(*(rule.when.signals for rule in rules)))
    rises = sorted(frozenset().union(*(rule.when.rises for rule in rules)), key=lambda rise: rise.key)
    keys = [*names, *(rise.key for rise in rises)]
    return any(
        all(rule.when.evaluate(dict(zip(keys, values, strict=True))) is True for rule in rules)
        for hot_degc in TOO_HOT_DEGC
        for values in itertools.product(
            *(_readings(interlocks.signals.get(name), module, hot_degc) for name in names),
            *(_changes(rise) for rise in rises),
        )
    )


def _readings(signal: Signal | None, module: str, hot_degc: float) -> tuple[Value, ...]:
    """What an input may read while the furnace is hot; an output and a switch may read both."""
    if signal is None or signal.unit is None:
        return (True, False)
    if signal.device == module and is_temperature(signal.unit):
        return (parse_quantity(f"{hot_degc} degC", signal.unit),)
    # no temperature of this furnace: it may read anything
    return (max(signal.low, -1e6), 25.0, min(signal.high, 1e6))


def _changes(rise: Rise) -> tuple[Value, ...]:
    return (-1e6, 0.0, 1e6)


def _nearest(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else _there_are(names)


def _there_are(names: Collection[str]) -> str:
    return f"there are {', '.join(sorted(names))}" if names else "there are none"
