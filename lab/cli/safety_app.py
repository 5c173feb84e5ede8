"""The commands of safety: supervisor, STOP, reset, alarms, bypasses, users, audit. Work is imported when called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lab.cli.asked import Request

PANEL = "Safety"

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else to standard output.")]
LabName = Annotated[
    str | None,
    typer.Option("--lab", help="Name of the lab; not needed where one lab is watched.", show_default=False),
]
LabPath = Annotated[
    Path | None, typer.Option("--lab", help="Lab file; without it the packaged simulated lab.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
DataFolder = Annotated[
    Path | None, typer.Option("--data", help="Data folder of the run; needed where several run.", show_default=False)
]
For = Annotated[str, typer.Option("--for", help="How long, such as '30 min'.")]
Reason = Annotated[str, typer.Option("--reason", help="Why.")]
Key = Annotated[str, typer.Argument(help="Key of the alarm, as `alarms list` shows it.")]
BypassId = Annotated[str, typer.Argument(help="Id of the bypass, as `bypass list` shows it.")]
User = Annotated[str, typer.Argument(help="Name of the user.")]
Roles = Annotated[list[str], typer.Option("--role", help="viewer, operator, safety-officer or admin; repeatable.")]

alarms = typer.Typer(help="List, acknowledge, shelve alarms; take them out of service.", no_args_is_help=True)
bypass = typer.Typer(help="Bypass a rule for a limited time; another person approves.", no_args_is_help=True)
user = typer.Typer(help="The people of a laboratory, and tokens for machines.", no_args_is_help=True)
audit = typer.Typer(help="The audit chain.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add all commands of safety to the command line."""
    for name, command in (
        ("stop", stop),
        ("reset", reset),
        ("manual", manual),
        ("hold", hold),
        ("resume", resume),
        ("device", device),
        ("serve", serve),
        ("safety", safety),
        ("sim", sim),
    ):
        app.command(name, rich_help_panel=PANEL)(command)
    for name, group in (("alarms", alarms), ("bypass", bypass), ("user", user), ("audit", audit)):
        app.add_typer(group, name=name, rich_help_panel=PANEL)


def actor() -> str:
    """Who acts at a shell."""
    import getpass

    return getpass.getuser()


def _request(lab: str | None) -> Request:
    from lab.cli.errors import sentences
    from lab.safety.supervisor.process import request_to

    with sentences():
        return request_to(lab)


def _seconds(text: str) -> float:
    from lab.cli.errors import sentences
    from lab.errors import UsageError
    from protocols.quantities import QuantityError, parse_quantity

    with sentences():
        try:
            return parse_quantity(text, "s")
        except QuantityError as error:
            raise UsageError(f"--for {text}: {error}") from None


def _store() -> Path:
    from lab.records.lock import lock_folder

    return lock_folder() / "users.json"


# ---------------------------------------------------------------- processes


def safety(
    lab: LabPath = None,
    http: Annotated[
        str | None,
        typer.Option(help="HOST:PORT for STOP; by default any free port of the loopback.", show_default=False),
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, for any other host.", show_default=False)] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """Run only the safety supervisor of a lab, until Ctrl-C; it begins tripped."""
    from lab.cli.safety import run_safety

    run_safety(lab, http=http, cert=tls_cert, key=tls_key, users=_store(), as_json=as_json)


def serve(
    lab: LabPath = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder for what comes out.", show_default=False)] = None,
    host: Annotated[str | None, typer.Option(help="Where browsers reach it; this machine only by default.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="TCP port; 0 for any.", show_default="8765")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate, for any other host.", show_default=False)] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key.", show_default=False)] = None,
    behind_proxy: Annotated[
        list[str] | None, typer.Option(help="Address of a proxy that brings TLS; repeatable.", show_default=False)
    ] = None,
    clock: Annotated[str | None, typer.Option(help="real or 'scaled K'.", show_default="real")] = None,
    as_json: Json = False,
) -> None:
    """Open a lab and serve it to people until Ctrl-C; prints a one-time secret where nobody is a user yet."""
    from lab.cli.serve import serve_lab

    serve_lab(
        lab,
        data=data,
        host=host,
        port=port,
        tls_cert=tls_cert,
        tls_key=tls_key,
        behind_proxy=behind_proxy or (),
        clock=clock,
        as_json=as_json,
    )


def sim(
    lab: LabPath = None,
    speed: Annotated[float, typer.Option(min=0.001, help="Lab seconds for each second.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    truth: Annotated[
        Path | None,
        typer.Option(help="Folder with the truth that the simulated chemistry obeys.", show_default=False),
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder for the diffractometers' files.", show_default=False)
    ] = None,
    log: Annotated[Path | None, typer.Option(help="File for what the plant's outputs did.", show_default=False)] = None,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Any free TCP ports.")] = False,
    faults: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Break the wires on purpose: faults for each request.")
    ] = 0.0,
    fault_seed: Annotated[int, typer.Option(help="Equal seeds and equal requests give equal faults.")] = 0,
    fault_log: Annotated[
        Path | None, typer.Option(help="File for the faults that were done.", show_default=False)
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="File for all that goes over the wires, to be replayed.", show_default=False)
    ] = None,
    paced: Annotated[bool, typer.Option("--paced", help="Serial lines as fast as their baud, not faster.")] = False,
    as_json: Json = False,
) -> None:
    """Serve only the simulated instruments of a lab on their wires, until Ctrl-C."""
    from lab.cli.sim import serve_instruments
    from lab.trouble import Trouble

    serve_instruments(
        lab,
        speed=speed,
        seed=seed,
        truth=truth,
        results=results,
        log=log,
        ephemeral=ephemeral,
        trouble=Trouble(faults, fault_seed, fault_log, record, paced),
        as_json=as_json,
    )


# ---------------------------------------------------------------- stop and reset


def stop(
    lab: LabName = None,
    data: Annotated[Path | None, typer.Option("--data", help="Data folder of a run.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """STOP ALL (software): open every contactor, then stop every device; asks nothing, needs nothing."""
    from lab.cli.stop import stop_all

    stop_all(lab=lab, data=data, as_json=as_json)


def reset(lab: LabName = None, yes: Yes = False, as_json: Json = False) -> None:
    """Show what tripped, first cause first, and clear what has no cause any more; switches nothing on."""
    from lab.cli.reset import reset as clear

    clear(_request(lab), actor=actor(), role="operator", yes=yes, as_json=as_json)


# ---------------------------------------------------------------- by hand


def manual(
    device: Annotated[str, typer.Argument(help="Device of the lab.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VERB VALUE UNIT]", help="A command; without one a prompt.", show_default=False),
    ] = None,
    yes: Yes = False,
    release: Annotated[bool, typer.Option("--release", help="Give the device back at once.")] = False,
    hold: Annotated[
        str | None, typer.Option("--hold", help="Keep it for a while, such as '10 min'.", show_default=False)
    ] = None,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Take a device from a run and drive it by hand; the interlocks hold all the while.

    Its recipe waits until somebody resumes it. Ctrl-C gives the device back; where the shell just closes, the device
    goes to the state that the lab file declares.
    """
    from lab.cli.manual import drive

    drive(device, words or (), yes=yes, release=release, hold=hold, data=data, as_json=as_json)


def hold(
    what: Annotated[str, typer.Argument(help="A sample, a device, or the campaign.")] = "campaign",
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Have recipes wait before their next step; what is under way goes on."""
    from lab.cli.hold import hold as wait

    wait(what, reason=reason, data=data, as_json=as_json)


def resume(
    what: Annotated[str, typer.Argument(help="A sample, a device, or the campaign.")] = "campaign",
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Have recipes go on, after the rules were asked again."""
    from lab.cli.hold import resume as go_on

    go_on(what, data=data, as_json=as_json)


def device(
    name: Annotated[str, typer.Argument(help="Device of the lab.")],
    to: Annotated[str, typer.Argument(metavar="out|in-service", help="Lock it out, or take your lock off.")],
    reason: Annotated[str, typer.Option("--reason", help="What is done there; needed to lock out.")] = "",
    of: Annotated[
        str | None, typer.Option("--of", help="Whose lock, for a safety officer.", show_default=False)
    ] = None,
    data: DataFolder = None,
    as_json: Json = False,
) -> None:
    """Lock a device out of service, or put it back."""
    from lab.cli.device import change_service

    change_service(name, to, reason=reason, of=of, data=data, as_json=as_json)


# ---------------------------------------------------------------- alarms


@alarms.command("list")
def list_alarms(
    lab: LabName = None,
    history: Annotated[bool, typer.Option("--history", help="Also those that are over.")] = False,
    as_json: Json = False,
) -> None:
    """Show the alarms, the first cause marked, each with what to do."""
    from lab.cli.alarms import show_alarms

    show_alarms(_request(lab), as_json=as_json, history=history)


@alarms.command("ack")
def acknowledge_alarm(
    key: Annotated[str, typer.Argument(help="Key of the alarm, or `all`.")], lab: LabName = None, as_json: Json = False
) -> None:
    """Say that you have seen an alarm."""
    from lab.cli.alarms import acknowledge

    acknowledge(_request(lab), key, actor(), as_json=as_json)


@alarms.command("shelve")
def shelve_alarm(key: Key, reason: Reason, lasting: For = "1 h", lab: LabName = None, as_json: Json = False) -> None:
    """Hide an alarm for at most eight hours."""
    from lab.cli.alarms import shelve

    shelve(_request(lab), key, _seconds(lasting), reason, actor(), as_json=as_json)


@alarms.command("unshelve")
def unshelve_alarm(key: Key, lab: LabName = None, as_json: Json = False) -> None:
    """Show a shelved alarm again."""
    from lab.cli.alarms import unshelve

    unshelve(_request(lab), key, actor(), as_json=as_json)


@alarms.command("out")
def take_alarm_out(key: Key, reason: Reason, lab: LabName = None, as_json: Json = False) -> None:
    """Take an alarm out of service until it is put back."""
    from lab.cli.alarms import take_out

    take_out(_request(lab), key, reason, actor(), as_json=as_json)


@alarms.command("in-service")
def put_alarm_back(key: Key, lab: LabName = None, as_json: Json = False) -> None:
    """Put an alarm back into service."""
    from lab.cli.alarms import put_back

    put_back(_request(lab), key, actor(), as_json=as_json)


# ---------------------------------------------------------------- bypasses


@bypass.command("request")
def ask_for_bypass(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")],
    reason: Reason,
    measure: Annotated[str, typer.Option("--measure", help="What is done in place of what the rule does.")],
    lasting: For = "15 min",
    lab: LabName = None,
    as_json: Json = False,
) -> None:
    """Ask for a rule to be bypassed; a safety officer other than you must approve."""
    from lab.cli.bypass import request_bypass

    request_bypass(
        _request(lab), rule, reason=reason, for_s=_seconds(lasting), measure=measure, actor=actor(), as_json=as_json
    )


@bypass.command("approve")
def approve(bypass_id: BypassId, lab: LabName = None, as_json: Json = False) -> None:
    """Approve a bypass with your name and secret."""
    from lab.cli.bypass import approve_bypass

    approve_bypass(_request(lab), bypass_id, as_json=as_json)


@bypass.command("end")
def end(bypass_id: BypassId, lab: LabName = None, as_json: Json = False) -> None:
    """End a bypass: its rule acts again."""
    from lab.cli.bypass import end_bypass

    end_bypass(_request(lab), bypass_id, actor=actor(), as_json=as_json)


@bypass.command("list")
def show_bypasses(lab: LabName = None, as_json: Json = False) -> None:
    """Show what is bypassed and what waits for approval."""
    from lab.cli.bypass import list_bypasses

    list_bypasses(_request(lab), as_json=as_json)


# ---------------------------------------------------------------- users


@user.command("add")
def add(name: User, role: Roles, as_json: Json = False) -> None:
    """Add a person; prints a secret that works once, to set one of their own."""
    from lab.cli.user import add_user

    add_user(name, role, store=_store(), as_json=as_json)


@user.command("secret")
def secret(name: User, as_json: Json = False) -> None:
    """Set your own secret."""
    from lab.cli.user import change_secret

    change_secret(name, store=_store(), as_json=as_json)


@user.command("renew")
def renew(name: User, as_json: Json = False) -> None:
    """Give a person a new one-time secret."""
    from lab.cli.user import renew_user

    renew_user(name, store=_store(), as_json=as_json)


@user.command("roles")
def roles(name: User, role: Roles, as_json: Json = False) -> None:
    """Give a person other roles."""
    from lab.cli.user import set_roles

    set_roles(name, role, store=_store(), as_json=as_json)


@user.command("disable")
def disable(name: User, as_json: Json = False) -> None:
    """Let a person in no more."""
    from lab.cli.user import disable_user

    disable_user(name, store=_store(), as_json=as_json)


@user.command("list")
def users(as_json: Json = False) -> None:
    """Show who there is."""
    from lab.cli.user import list_users

    list_users(store=_store(), as_json=as_json)


@user.command("token")
def token(
    name: User,
    label: Annotated[str, typer.Argument(help="What the token is for.")],
    scope: Annotated[list[str], typer.Option("--scope", help="What it may do, such as read:*; repeatable.")],
    lasting: For = "30 d",
    as_json: Json = False,
) -> None:
    """Make a token for a machine, in a person's name; it is shown once."""
    from lab.cli.user import add_token

    add_token(name, label, scope, life_s=_seconds(lasting), store=_store(), as_json=as_json)


@user.command("tokens")
def tokens(as_json: Json = False) -> None:
    """Show the tokens, without their secrets."""
    from lab.cli.user import list_tokens

    list_tokens(store=_store(), as_json=as_json)


@user.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(help="Id of the token, as `user tokens` shows it.")], as_json: Json = False
) -> None:
    """Have a token be valid no more."""
    from lab.cli.user import revoke_token

    revoke_token(token_id, store=_store(), as_json=as_json)


# ---------------------------------------------------------------- audit


@audit.command("verify")
def verify(
    files: Annotated[list[Path] | None, typer.Argument(help="Audit files; without any, all that are found.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder to look in.", show_default=False)] = None,
    heads: Annotated[
        Path | None, typer.Option("--heads", help="A heads file kept elsewhere.", show_default=False)
    ] = None,
    write_head: Annotated[bool, typer.Option("--write-head", help="Note the present head.")] = False,
    as_json: Json = False,
) -> None:
    """Make sure that no audit record was changed, removed, inserted or moved."""
    from lab.cli.audit import verify_audit

    verify_audit(files or [], data=data, as_json=as_json, heads=heads, write_head=write_head)
