"""``athanor analyze``: patterns in, phases out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli.errors import BAD_INPUT, sentences
from lab.errors import UsageError

if TYPE_CHECKING:
    from lab.characterization.references import Reference
    from lab.characterization.result import Characterization


def analyze_patterns(
    patterns: list[Path],
    *,
    elements: str | None,
    references: Path | None,
    wavelength: str,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Analyse every pattern; a file that cannot be read costs its own result only, and exit code 2."""
    from rich.progress import track

    from lab.characterization.errors import PatternError

    with sentences():
        if pictures is not None:
            _make_folder(pictures)
        known = _references(references, elements)
    found: list[tuple[Path, Characterization]] = []
    unreadable: list[PatternError] = []
    quiet = as_json or not sys.stderr.isatty() or len(patterns) < 3
    with sentences():
        for pattern in track(patterns, "analysing", disable=quiet):
            try:
                found.append((pattern, _analyze(pattern, known, wavelength, pictures)))
            except PatternError as error:
                unreadable.append(error)
    if found or as_json:
        _print(found, as_json=as_json)
    for problem in unreadable:
        sys.stderr.write(f"athanor: {problem}\n")
    if unreadable:
        raise SystemExit(BAD_INPUT)


def _make_folder(pictures: Path) -> None:
    try:
        pictures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--pictures {pictures}: cannot be made ({error.strerror}): give another folder") from None


def _references(folder: Path | None, elements: str | None) -> list[Reference]:
    from generator import library
    from lab.characterization import load_references

    if folder is not None and not folder.exists():
        raise UsageError(f"--references {folder}: does not exist: give a folder that holds CIF files")
    chosen = parse_elements(elements) if elements else None
    return load_references(folder if folder is not None else library.structures(chosen), chosen)


def parse_elements(text: str) -> frozenset[str]:
    """Read ``Y,Ba,Cu,O``.

    Raises:
        UsageError: Where a part is no element.
    """
    from pymatgen.core import Element

    symbols = [part.strip() for part in text.split(",") if part.strip()]
    wrong = [symbol for symbol in symbols if not Element.is_valid_symbol(symbol)]
    if wrong or not symbols:
        seen = ", ".join(map(repr, wrong)) or "nothing"
        raise UsageError(f"--elements {text!r}: {seen} is no element: write symbols with commas, such as Y,Ba,Cu,O")
    return frozenset(symbols)


def _analyze(pattern: Path, known: list[Reference], wavelength: str, pictures: Path | None) -> Characterization:
    from lab.characterization import PatternError, analyze_file

    if not pattern.exists():
        raise PatternError(f"{pattern}: there is no such file: give the path of a measured pattern")
    measured, result = analyze_file(pattern, known, wavelength)
    if pictures is not None:
        from lab.characterization.pictures import plot_fit

        picture = pictures / f"{pattern.stem}.png"
        try:
            plot_fit(measured, result, picture, title=pattern.name, simulated=False)
        except OSError as error:
            raise UsageError(f"{picture}: cannot be written ({error.strerror}): give another folder") from None
    return result


def _print(found: list[tuple[Path, Characterization]], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([result.to_json(str(path)) for path, result in found], indent=1) + "\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("pattern", "phases (weight fraction ± sd)", "unexplained", "R_wp", "confidence", "review")
    for path, result in found:
        phases = "\n".join(
            f"{p.formula} {p.spacegroup}  {p.weight_fraction:.3f} ± {p.weight_fraction_sd:.3f}" for p in result.phases
        )
        numbers = (f"{result.unknown_fraction:.2f}", f"{result.r_wp:.3f}", f"{result.confidence:.2f}")
        table.add_row(path.name, phases or "none", *numbers, result.review_reason or "")
    Console().print(table)
