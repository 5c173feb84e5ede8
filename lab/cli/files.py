"""``athanor init`` and ``athanor check``: files written for people, and files that people wrote."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.cli.errors import BAD_INPUT, sentences
from lab.errors import UsageError
from protocols.documents import DocumentError, Fault, load_yaml

NAMES = ("lab.yaml", "inventory.yaml", "interlocks.yaml", "campaign.yaml", "recipe.yaml")


def init_files(folder: Path, *, as_json: bool) -> None:
    """Copy the packaged files into `folder`; refuses to overwrite anything."""
    from lab.config.lab_file import packaged_lab

    with sentences():
        taken = [name for name in NAMES if (folder / name).exists()]
        if taken:
            raise UsageError(f"{folder}: {', '.join(taken)} would be overwritten: give an empty folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in NAMES:
                (folder / name).write_text(packaged_lab().with_name(name).read_text(encoding="utf-8"), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written ({error.strerror}): give another folder") from None
    written = [str(folder / name) for name in NAMES]
    if as_json:
        sys.stdout.write(json.dumps({"files": written}) + "\n")
        return
    sys.stdout.write("".join(f"wrote {name}\n" for name in written))
    sys.stdout.write(
        f"next: athanor check {folder}/*.yaml; athanor run {folder}/campaign.yaml --lab {folder}/lab.yaml\n"
    )


def check_files(files: list[Path], *, connect: bool, as_json: bool) -> None:
    """Check every file alone, then recipes and campaigns against the lab file among them or the packaged one."""
    checker = _Checker(files, connect=connect)
    faults = checker.run()
    errors, remarks = _as_json(faults), _as_json(checker.remarks)
    if as_json:
        said = {"files": [str(file) for file in files], "errors": errors, "remarks": remarks, "ok": not errors}
        sys.stdout.write(json.dumps(said, indent=1) + "\n")
    else:
        sys.stderr.write("".join(f"athanor: {fault}\n" for fault in faults))
        sys.stderr.write("".join(f"athanor: note: {remark}\n" for remark in checker.remarks))
        if not faults:
            sys.stdout.write(f"{len(files)} file{'s' if len(files) != 1 else ''} without a fault\n")
    if errors:
        raise SystemExit(BAD_INPUT)


def _as_json(faults: list[Fault]) -> list[dict[str, Any]]:
    return [{"file": fault.file, "line": fault.line, "message": fault.message} for fault in faults]


class _Checker:
    """Knows which file is of which kind by the keys that it holds."""

    def __init__(self, files: list[Path], *, connect: bool) -> None:
        self._files = files
        self._connect = connect
        self._faults: list[Fault] = []
        self.remarks: list[Fault] = []
        """What is no fault, and must be known."""
        self._unproved = False

    def run(self) -> list[Fault]:
        kinds = {file: self._kind(file) for file in self._files}
        lab = self._lab([file for file, kind in kinds.items() if kind == "lab"])
        for file, kind in kinds.items():
            self._try(file, lambda file=file, kind=kind: self._check(file, kind, lab))  # type: ignore[misc]
        if self._connect and lab is not None and not self._faults:
            self._try(lab.path, lambda: _ask_everybody(lab))
        return self._faults

    def _kind(self, file: Path) -> str | None:
        found: list[str] = []
        self._try(file, lambda: found.append(kind_of(file)))
        return found[0] if found else None

    def _lab(self, files: list[Path]) -> Any:
        from lab.config.lab_file import load_lab, packaged_lab

        found: list[Any] = []
        path = files[0] if files else packaged_lab()
        self._try(path, lambda: found.append(load_lab(path)))
        return found[0] if found else None

    def _check(self, file: Path, kind: str | None, lab: Any) -> None:
        from lab.campaign.check import check_campaign, check_recipe
        from lab.config.campaign_file import load_campaign
        from lab.config.inventory_file import InventoryFile
        from lab.config.lab_file import load_lab, remarks_on
        from lab.safety.interlocks.check import check_interlocks
        from lab.startup import check_drivers
        from protocols.documents import load_model
        from protocols.recipe_file import load_recipe

        if kind == "campaign":
            campaign = load_campaign(file)
            if lab is not None:
                check_campaign(campaign, file, lab)
        elif kind == "recipe":
            recipe = load_recipe(file)
            if lab is not None:
                check_recipe(recipe, file, lab)
        elif kind == "lab":
            checked = lab if lab is not None and file == lab.path else load_lab(file)
            self.remarks += remarks_on(checked)
            check_drivers(checked)
            self._note_proof(check_interlocks(checked))
        elif kind == "interlocks" and lab is not None:
            self._note_proof(check_interlocks(lab, file))
        elif kind == "inventory":
            load_model(file, InventoryFile)

    def _note_proof(self, proved: bool) -> None:
        if not proved and not self._unproved:
            self._unproved = True
            sys.stderr.write("athanor: `never` statements were not proved: install the extra athanor[verify]\n")

    def _try(self, file: Path, action: Callable[[], object]) -> None:
        from drivers.gate import DriverError
        from lab.errors import LabError
        from lab.startup import DevicesError
        from planner.errors import PlannerError

        try:
            action()
        except DocumentError as error:
            self._faults += [fault for fault in error.faults if fault not in self._faults]
        except DevicesError as error:
            self._faults += error.faults
        except (LabError, DriverError, PlannerError) as error:
            self._faults.append(Fault(str(file), None, str(error)))


_MARKS = {
    "devices": "lab",
    "lots": "inventory",
    "rules": "interlocks",
    "objectives": "campaign",
    "budget": "campaign",
    "firings": "recipe",
}


def kind_of(file: Path) -> str:
    """Which kind of file it is: lab, inventory, interlocks, campaign or recipe.

    Raises:
        DocumentError: Where it cannot be read or is none of them.
    """
    data = load_yaml(file)
    kinds = [kind for key, kind in _MARKS.items() if isinstance(data, dict) and key in data]
    if not kinds:
        raise DocumentError(
            [Fault(str(file), None, f"is no file of Athanor: none of the keys {', '.join(_MARKS)} is in it")]
        )
    return kinds[0]


def _ask_everybody(lab: Any) -> None:
    from lab.startup import ask_everybody

    for name, answer in ask_everybody(lab).items():
        sys.stderr.write(f"{name}: {answer}\n")
