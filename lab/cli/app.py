"""The commands, their options and their help. Each one's work is imported when it is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from lab.cli import safety_app

app = typer.Typer(
    name="athanor",
    help="Run a self-driving laboratory for inorganic powders, real or simulated.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else to standard output.")]
LabOption = Annotated[
    Path | None,
    typer.Option("--lab", help="Lab file; without it the packaged simulated lab.", show_default=False),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder for everything that comes out; made new under runs/ by default.",
        show_default=False,
    ),
]
Budget = Annotated[
    int | None,
    typer.Option("--budget", min=1, help="Samples, in place of the campaign's budget.", show_default=False),
]
Seed = Annotated[int, typer.Option("--seed", help="Equal seeds give equal runs on simulated instruments.")]
Truth = Annotated[
    Path | None,
    typer.Option("--truth", help="Folder with the truth that the simulated chemistry obeys.", show_default=False),
]
ClockOption = Annotated[
    str | None,
    typer.Option(
        "--clock",
        help="real, jump, or 'scaled K'; by default jump where all instruments are simulated.",
        show_default=False,
    ),
]


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Where the files go.")] = Path(), as_json: Json = False) -> None:
    """Write commented lab, inventory, interlock, campaign and recipe files."""
    from lab.cli.files import init_files

    init_files(folder, as_json=as_json)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="Lab, inventory, interlock, campaign and recipe files.")],
    connect: Annotated[
        bool,
        typer.Option("--connect", help="Also ask every instrument of the lab who it is; changes nothing."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Validate files, alone and against each other."""
    from lab.cli.files import check_files

    check_files(files, connect=connect, as_json=as_json)


@app.command()
def run(
    campaign: Annotated[Path, typer.Argument(help="Campaign file.")],
    lab: LabOption = None,
    budget: Budget = None,
    seed: Seed = 0,
    data: Data = None,
    clock: ClockOption = None,
    truth: Truth = None,
    yes: Annotated[bool, typer.Option("--yes", help="Start real instruments without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Run an autonomous campaign.

    Ctrl-C once: no new samples, those in work are finished. Ctrl-C twice: stop now; everything that was
    measured is kept.
    """
    from lab.cli.run import run_campaign

    run_campaign(
        campaign,
        lab,
        budget=budget,
        seed=seed,
        data=data,
        clock=clock,
        truth=truth,
        as_json=as_json,
        dry=False,
        yes=yes,
    )


@app.command("dry-run")
def dry_run(
    what: Annotated[Path, typer.Argument(help="Recipe or campaign file.")],
    lab: LabOption = None,
    budget: Budget = None,
    seed: Seed = 0,
    data: Data = None,
    truth: Truth = None,
    as_json: Json = False,
) -> None:
    """Do the same on simulated instruments, whatever the lab file's addresses say."""
    from lab.cli.run import run_campaign

    run_campaign(what, lab, budget=budget, seed=seed, data=data, clock=None, truth=truth, as_json=as_json, dry=True)


@app.command()
def status(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data folder; without it every run that goes on now.", show_default=False),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the run has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Tell how a run is doing."""
    from lab.cli.status import show_status

    show_status(data, follow=follow, as_json=as_json)


@app.command()
def analyze(
    patterns: Annotated[list[Path], typer.Argument(help="Measured patterns: xrdml, xy, xye, csv, rasx, brml, raw.")],
    elements: Annotated[
        str | None,
        typer.Option(help="Only references of these elements, such as Y,Ba,Cu,O.", show_default=False),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(help="Folder of CIF files; without it the public library.", show_default=False),
    ] = None,
    wavelength: Annotated[str, typer.Option(help="CuKa, CoKa, MoKa, ... or a number in angstrom.")] = "CuKa",
    pictures: Annotated[Path | None, typer.Option(help="Folder for pictures of the fits.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Find phases and weight fractions in measured powder patterns."""
    from lab.cli.analyze import analyze_patterns

    analyze_patterns(
        patterns,
        elements=elements,
        references=references,
        wavelength=wavelength,
        pictures=pictures,
        as_json=as_json,
    )


safety_app.add_to(app)

_NOT_YET = {
    "cancel": "cancel a sample or a campaign",
    "approve": "approve waiting suggestions",
    "samples": "list samples and where they are",
    "inventory": "list what is in store",
    "report": "write a campaign's report",
    "recover": "recover after a crash",
    "attest": "state what was seen after a crash",
    "review": "confirm, correct or reject a doubtful result",
    "generate": "propose crystals",
    "train": "train the foundation model",
    "plan": "show the next recipes without running them",
    "replay": "replay recorded experiments",
    "library": "manage property databases",
}


def _not_yet(name: str) -> Callable[[], None]:
    def command() -> None:
        import sys

        sys.stderr.write(f"athanor: `athanor {name}` is not in this version yet: CHANGELOG.md lists what is\n")
        raise typer.Exit(2)

    return command


for _name, _does in _NOT_YET.items():
    app.command(
        _name,
        help=f"Not in this version yet: {_does}.",
        rich_help_panel="Not in this version yet",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(_not_yet(_name))
