"""Whether a recipe or a campaign can be carried out in a laboratory, judged before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drivers.codecs.eurotherm_3216p import SEGMENT_COUNT
from lab.campaign.problem import problem_of
from lab.campaign.weighing import Note, check_balance, check_batch, check_doses
from lab.config.campaign_file import CampaignFile
from lab.config.lab_file import DeviceFile, LabConfig, programs_of
from protocols.documents import DocumentError, Fault, line_of, load_yaml
from protocols.recipe import SAFE_TO_HANDLE_DEGC, Dwell, Firing, Mixing, Recipe, XrdScan
from protocols.recipe_file import scan_from_file

_PLACES: dict[str, tuple[object, ...]] = {
    "temperature_degc": ("process", "temperature"),
    "dwell_s": ("process", "dwell"),
    "ramp_degc_per_min": ("process", "ramp"),
    "regrinds": ("process", "regrinds"),
    "constraint": ("constraints",),
    "objective": ("objectives",),
}
"""How a planner's sentence begins, and the key of the campaign that it is about; others are about the target."""


def program_for(scan: XrdScan, lab: LabConfig) -> str | None:
    """The stored programme that does exactly this scan, or None."""
    device = lab.devices[lab.file.stations.measure[0]]
    wanted = (scan.from_deg, scan.to_deg, scan.time_s)
    return next((name for name, program in programs_of(device).items() if program == wanted), None)


def check_recipe(recipe: Recipe, path: Path, lab: LabConfig) -> None:
    """Raise `DocumentError` with every reason why a laboratory cannot carry out a recipe."""
    faults: list[Fault] = []
    note = _noter(path, faults)
    for amount in recipe.precursors:
        _check_lot(amount.lot, ("precursors", amount.lot), lab, note)
    check_doses(recipe, lab, note)
    _check_mixing(recipe.mixing, "mixing", note)
    if recipe.regrind is not None:
        _check_mixing(recipe.regrind, "regrind", note)
    for i, firing in enumerate(recipe.firings):
        where = ("firings", i)
        _check_steps(firing, where, note)
        _check_furnaces(
            lab,
            where,
            note,
            peak_degc=firing.peak_degc,
            rate=firing.fastest_degc_per_min,
            atmosphere=firing.atmosphere,
        )
    _check_scans(recipe.measure, lab, note)
    if not faults:
        formulas = [lab.inventory.lots[lab.inventory.lot_named(p.lot)].formula for p in recipe.precursors]
        _check_elements(recipe.target.formula, formulas, ("target", "formula"), note)
    if not faults:
        check_balance(recipe, lab, note)
    _raise(faults)


def check_campaign(campaign: CampaignFile, path: Path, lab: LabConfig) -> None:
    """Raise `DocumentError` with every reason why a laboratory cannot run a campaign."""
    faults: list[Fault] = []
    note = _noter(path, faults)
    for i, precursor in enumerate(campaign.precursors):
        _check_lot(precursor, ("precursors", i), lab, note)
    process = campaign.process
    where = ("process", "temperature")
    _check_furnaces(
        lab,
        where,
        note,
        peak_degc=process.temperature[1],
        rate=process.ramp[1],
        atmosphere=process.atmosphere,
    )
    _check_ranges(campaign, note)
    _check_mixing(campaign.mixing.to_mixing(), "mixing", note)
    _check_scans([scan_from_file(entry) for entry in campaign.measure], lab, note)
    room = min(lab.inventory.vials, lab.inventory.crucibles, lab.inventory.holders)
    if campaign.budget.samples > room:
        note(
            ("budget", "samples"),
            f"{campaign.budget.samples} samples, and there is labware for {room}: lower the budget or fill the racks",
        )
    if not faults:
        _check_routes(campaign, lab, note)
    _raise(faults)


def resolve_lots(recipe: Recipe, lab: LabConfig) -> Recipe:
    """The same recipe with every precursor named by its lot."""
    named = tuple(p.model_copy(update={"lot": lab.inventory.lot_named(p.lot)}) for p in recipe.precursors)
    return recipe.model_copy(update={"precursors": named})


def _noter(path: Path, faults: list[Fault]) -> Note:
    data = load_yaml(path)
    return lambda keys, message: faults.append(Fault(str(path), line_of(data, keys), message))


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise DocumentError(faults)


def _check_lot(text: str, keys: tuple[object, ...], lab: LabConfig, note: Note) -> None:
    try:
        lot = lab.inventory.lot_named(text)
    except ValueError as error:
        note(keys, str(error))
        return
    if lab.head_of(lot) is None:
        note(
            keys,
            f"lot {lot} is on no dosing head of {lab.path.name}: put it on a head, or choose another lot",
        )


def _check_mixing(mixing: Mixing, key: str, note: Note) -> None:
    for name, found in (("solvent", mixing.solvent), ("media", mixing.media)):
        if found is not None:
            note((key, name), f"{name} {found!r} is not in this version, which mixes dry and without media: write none")


def _check_steps(firing: Firing, keys: tuple[object, ...], note: Note) -> None:
    targets = [segment.to_degc for segment in firing.segments if not isinstance(segment, Dwell)]
    # Cooling down is added where the recipe ends hot.
    steps = len(targets) + (targets[-1] > SAFE_TO_HANDLE_DEGC)
    if steps > SEGMENT_COUNT:
        note(
            keys,
            f"{steps} ramps and coolings, the last one to {SAFE_TO_HANDLE_DEGC:g} degC included, and a furnace's "
            f"programme holds {SEGMENT_COUNT}: leave some out",
        )


def _check_ranges(campaign: CampaignFile, note: Note) -> None:
    process = campaign.process
    least = {
        "temperature": (process.temperature[0], SAFE_TO_HANDLE_DEGC, "degC"),
        "dwell": (process.dwell[0] / 3600.0, 0.0, "h"),
        "ramp": (process.ramp[0], 0.0, "degC/min"),
    }
    for key, (low, above, unit) in least.items():
        if low <= above:
            note(("process", key), f"{key} starts at {low:g} {unit}, and must be above {above:g} {unit}: raise it")


def _check_furnaces(
    lab: LabConfig, keys: tuple[object, ...], note: Note, *, peak_degc: float, rate: float, atmosphere: str
) -> None:
    problems = []
    for name, furnace in lab.furnaces.items():
        found = why_unfit(furnace, peak_degc, rate, atmosphere)
        if not found:
            return
        problems.append(f"{name}: {found}")
    note(keys, f"no furnace of {lab.path.name} can do this: {'; '.join(problems)}")


def why_unfit(furnace: DeviceFile, peak_degc: float, rate: float, atmosphere: str) -> str:
    """Why a furnace cannot do a firing, in one sentence; empty where it can."""
    setpoint, ramp = furnace.limit("setpoint"), furnace.limit("ramp")
    if setpoint is None or peak_degc > setpoint:
        return f"{peak_degc:g} degC requested, limit {setpoint or 0.0:g} degC"
    if ramp is None or rate > ramp:
        return f"{rate:g} degC/min requested, limit {ramp or 0.0:g} degC/min"
    if atmosphere not in (furnace.atmospheres or []):
        return f"atmosphere {atmosphere!r} requested, it has {', '.join(furnace.atmospheres or [])}"
    return ""


def _check_scans(scans: Sequence[XrdScan], lab: LabConfig, note: Note) -> None:
    for i, scan in enumerate(scans):
        _check_scan(scan, ("measure", i), lab, note)
    if len(scans) > 1:
        note(("measure", 1), f"{len(scans)} measurements, and this version makes one of each sample: leave one")


def _check_scan(scan: XrdScan, keys: tuple[object, ...], lab: LabConfig, note: Note) -> None:
    if program_for(scan, lab) is None:
        name = lab.file.stations.measure[0]
        stored = "; ".join(
            f"{p[0]:g} to {p[1]:g} deg in {p[2] / 60:g} min" for p in programs_of(lab.devices[name]).values()
        )
        seen = f"{scan.from_deg:g} to {scan.to_deg:g} deg in {scan.time_s / 60:g} min"
        note(keys, f"{name} has no programme for {seen}: it has {stored}")


def _check_elements(target: str, formulas: list[str], keys: tuple[object, ...], note: Note) -> None:
    from pymatgen.core import Composition

    try:
        wanted = {str(element) for element in Composition(target).elements}
    except ValueError:
        note(keys, f"{target!r} is no chemical formula: write it as BaTiO3")
        return
    # Oxygen comes from and goes to the furnace atmosphere.
    missing = wanted - {str(e) for formula in formulas for e in Composition(formula).elements} - {"O"}
    if missing:
        note(
            keys,
            f"{target} needs {', '.join(sorted(missing))}, which none of {', '.join(formulas)} contains: "
            "add a precursor",
        )


def _check_routes(campaign: CampaignFile, lab: LabConfig, note: Note) -> None:
    from planner.errors import PlannerError

    try:
        check_batch(campaign, problem_of(campaign, lab), lab, note)
    except PlannerError as error:
        note(_PLACES.get(str(error).split()[0], ("target", "formula")), str(error))
