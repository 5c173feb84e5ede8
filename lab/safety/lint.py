"""Whether an interlock file fits the laboratory that it is to protect."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lab.config.lab_file import LabConfig
from lab.safety.interlock_file import Interlocks, load_interlocks
from protocols.documents import DocumentError, Fault, line_of, load_yaml

DOOR = "{}.door.open"
HEAT = "{}.heat"


def interlocks_of(lab: LabConfig) -> Interlocks:
    """Read the interlock file of a lab and make sure that it fits.

    Raises:
        DocumentError: With every fault and its line.
    """
    interlocks = load_interlocks(lab.interlocks_path)
    lint(interlocks, lab.interlocks_path, furnaces=lab.furnaces, modules=lab.safety_modules)
    return interlocks


def lint(interlocks: Interlocks, path: Path, *, furnaces: Collection[str], modules: Collection[str]) -> None:
    """Refuse rules that would never be applied, and furnaces that nobody watches the door of.

    Args:
        interlocks: What the file says.
        path: The file, to name places in it.
        furnaces: Names of the furnaces of the lab.
        modules: Names of its safety modules.

    Raises:
        DocumentError: With every fault and its line.
    """
    data = load_yaml(path)
    faults: list[Fault] = []

    def note(keys: tuple[object, ...], message: str) -> None:
        faults.append(Fault(str(path), line_of(data, keys), message))

    for name, signal in interlocks.signals.items():
        if signal.device not in modules:
            note(("signals", name), f"{name}: the lab has no safety module {signal.device!r}: {_there_are(modules)}")
    for name, (device, _) in interlocks.outputs.items():
        if device not in modules:
            note(("outputs", name), f"{name}: the lab has no safety module {device!r}: {_there_are(modules)}")
    targets = [form.format(furnace) for furnace in furnaces for form in (DOOR, HEAT)]
    for i, rule in enumerate(interlocks.rules):
        if rule.kind == "permissive" and rule.target not in targets:
            note(("rules", i, "for"), f"{rule.id}: nothing asks for {rule.target!r}: {_there_are(targets)}")
        if rule.id in [other.id for other in interlocks.rules[:i]]:
            note(("rules", i, "id"), f"{rule.id}: is the id of two rules: give each its own")
    for furnace in furnaces:
        if not interlocks.permissives(DOOR.format(furnace)):
            note(("rules",), f"no permissive for {DOOR.format(furnace)}: add one that asks for a cold furnace")
    if faults:
        raise DocumentError(faults)


def _there_are(names: Collection[str]) -> str:
    return f"there are {', '.join(names)}" if names else "there are none"
