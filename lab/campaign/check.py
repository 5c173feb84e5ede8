"""Whether a recipe or a campaign can be carried out in a laboratory, judged before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.campaign.problem import problem_of
from lab.config.campaign_file import CampaignFile
from lab.config.lab_file import DeviceFile, LabConfig, programs_of
from protocols.documents import DocumentError, Fault, line_of, load_yaml
from protocols.recipe import Recipe, XrdScan

Note = Callable[[tuple[object, ...], str], None]


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
    _check_doses(recipe, lab, note)
    for i, firing in enumerate(recipe.firings):
        where = ("firings", i)
        _check_furnaces(
            lab,
            where,
            note,
            peak_degc=firing.peak_degc,
            rate=firing.fastest_degc_per_min,
            atmosphere=firing.atmosphere,
        )
    for i, scan in enumerate(recipe.measure):
        _check_scan(scan, ("measure", i), lab, note)
    if not faults:
        formulas = [lab.inventory.lots[lab.inventory.lot_named(p.lot)].formula for p in recipe.precursors]
        _check_elements(recipe.target.formula, formulas, ("target", "formula"), note)
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
    for i, entry in enumerate(campaign.measure):
        scan = XrdScan(from_deg=entry.xrd.from_, to_deg=entry.xrd.to, time_s=entry.xrd.time)
        _check_scan(scan, ("measure", i), lab, note)
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


def _check_doses(recipe: Recipe, lab: LabConfig, note: Note) -> None:
    for name in lab.file.stations.dose:
        limit_mg = lab.devices[name].limits.mass
        for amount in recipe.precursors:
            if limit_mg is not None and amount.mass_mg > limit_mg:
                note(
                    ("precursors", amount.lot),
                    f"{amount.mass_mg:g} mg of {amount.lot}, limit of {name} is {limit_mg:g} mg: make a smaller batch",
                )


def _check_furnaces(
    lab: LabConfig, keys: tuple[object, ...], note: Note, *, peak_degc: float, rate: float, atmosphere: str
) -> None:
    problems = []
    for name, furnace in lab.furnaces.items():
        found = _unfit(furnace, peak_degc, rate, atmosphere)
        if not found:
            return
        problems.append(f"{name}: {found}")
    note(keys, f"no furnace of {lab.path.name} can do this: {'; '.join(problems)}")


def _unfit(furnace: DeviceFile, peak_degc: float, rate: float, atmosphere: str) -> str:
    limits = furnace.limits
    assert limits.setpoint is not None and limits.ramp is not None  # noqa: S101, PT018 - the lab file was checked
    if peak_degc > limits.setpoint:
        return f"{peak_degc:g} degC requested, limit {limits.setpoint:g} degC"
    if rate > limits.ramp:
        return f"{rate:g} degC/min requested, limit {limits.ramp:g} degC/min"
    if atmosphere not in (furnace.atmospheres or []):
        return f"atmosphere {atmosphere!r} requested, it has {', '.join(furnace.atmospheres or [])}"
    return ""


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
    from planner.routes import enumerate_routes

    try:
        enumerate_routes(problem_of(campaign, lab))
    except PlannerError as error:
        note(("target", "formula"), str(error))
