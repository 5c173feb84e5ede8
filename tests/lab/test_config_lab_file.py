from __future__ import annotations

from pathlib import Path

import pytest

from drivers.kinds import Kind
from lab.config.inventory_file import InventoryFile
from lab.config.lab_file import DEFAULT_PROGRAM, load_lab, packaged_lab, programs_of, remarks_on
from protocols.documents import DocumentError
from tests.lab.conftest import LabFolder


def faults_of(path: Path) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        load_lab(path)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_the_packaged_lab_is_consistent_and_simulated() -> None:
    lab = load_lab(packaged_lab())
    assert lab.name == "powder-1"
    assert lab.simulated
    assert lab.real_devices == []
    assert list(lab.furnaces) == ["furnace-1", "furnace-2"]
    assert lab.devices["furnace-1"].limit("setpoint") == 1100.0
    assert lab.devices["furnace-1"].limit("ramp") == 10.0
    assert lab.devices["doser-1"].limit("mass") == 2000.0
    assert lab.devices["safety-1"].watchdog == 1.0
    assert lab.only(Kind.MOVER) == "mover-1"
    assert lab.interlocks_path == packaged_lab().with_name("interlocks.yaml")


def test_one_simulated_instrument_makes_the_lab_simulated_and_names_the_real_ones(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "modbus-rtu:sim/furnace-1/1", "modbus-rtu:/dev/ttyS0/1")
    lab_folder.change("lab.yaml", "socket://sim:7101", "socket://127.0.0.1:7101")
    lab = lab_folder.load()
    assert lab.simulated
    assert lab.real_devices == ["furnace-1", "mover-1"]


def test_a_lot_is_found_on_its_dosing_head(lab_folder: LabFolder) -> None:
    lab = lab_folder.load()
    assert lab.head_of("TiO2-lot3") == ("doser-1", 2)
    assert lab.head_of("TiO2-lot9") is None


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("    limits: {mass: 2 g}\n", "", "limits.mass is missing, driver quantos needs that and there is no default"),
        (", wavelength: CuKa", "", "wavelength is missing, driver aeris needs that"),
        (':5020/1", watchdog: 1 s', ':5020/1"', "watchdog is missing, driver safety-io needs that"),
    ],
)
def test_limits_and_the_like_have_no_default(lab_folder: LabFolder, old: str, new: str, missing: str) -> None:
    ((line, message),) = faults_of(lab_folder.change("lab.yaml", old, new))
    assert missing in message
    name = message.split(":")[0].removeprefix("devices.")
    assert line == lab_folder.line_of("lab.yaml", f"  {name}:")


def test_everything_that_a_furnace_lacks_is_named_at_once(lab_folder: LabFolder) -> None:
    watched = "    watched_by: safety-1"
    furnace = f"{{setpoint: 1100 degC, ramp: 10 degC/min}}\n    slots: 8\n    atmospheres: [air]\n{watched}"
    path = lab_folder.change("lab.yaml", furnace, f"{{ramp: 10 degC/min}}\n{watched}")
    assert faults_of(path) == [
        (
            lab_folder.line_of("lab.yaml", "furnace-1:"),
            "devices.furnace-1: limits.setpoint, slots, atmospheres are missing, driver eurotherm-3216p needs that "
            "and there is no default: add it",
        )
    ]


def test_faults_of_several_devices_come_together_each_with_its_line(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "{mass: 2 g}", "{mass: 2}")
    lab_folder.change("lab.yaml", "driver: text-mover", "driver: text-moover")
    path = lab_folder.change("lab.yaml", "socket://sim:7702", "sim/xrd")
    faults = faults_of(path)
    assert len(faults) == 3
    assert (lab_folder.line_of("lab.yaml", "{mass: 2}"), "devices.doser-1.limits.mass: 2 is no quantity") in [
        (line, message.partition(": write")[0]) for line, message in faults
    ]
    assert any("there is no driver 'text-moover' (there are aeris, alicat, " in m for _, m in faults)
    assert any(m.endswith("did you mean 'text-mover'?") for _, m in faults)
    assert lab_folder.line_of("lab.yaml", "sim/xrd") in {line for line, message in faults if "no known form" in message}


def test_an_unknown_key_of_a_device_names_the_nearest(lab_folder: LabFolder) -> None:
    path = lab_folder.change("lab.yaml", "heads: {1:", "haeds: {1:")
    assert (lab_folder.line_of("lab.yaml", "haeds"), "devices.doser-1: unknown key 'haeds': did you mean 'heads'?") in (
        faults_of(path)
    )


def test_a_ramp_limit_of_5_degc_per_min_is_not_moved_by_the_offset(lab_folder: LabFolder) -> None:
    old = 'furnace-1/1"\n    baud: 19200\n    limits: {setpoint: 1100 degC, ramp: 10 degC/min}'
    lab_folder.change("lab.yaml", old, old.replace("10 degC/min", "5 K/min").replace("1100 degC", "1373.15 K"))
    furnace = lab_folder.load().devices["furnace-1"]
    assert (furnace.limit("setpoint"), furnace.limit("ramp")) == (1100.0, 5.0)


def test_stations_name_devices_of_the_right_kind(lab_folder: LabFolder) -> None:
    path = lab_folder.change("lab.yaml", "heat: [furnace-1, furnace-2]", "heat: [furnace-1, furnace-9, doser-1]")
    line = lab_folder.line_of("lab.yaml", "heat:")
    found = faults_of(path)
    assert [fault[0] for fault in found] == [line, line]
    assert "no device is named 'furnace-9': there are furnace-1, furnace-2" in found[0][1]
    assert "doser-1 is a quantos, and this station needs a furnace" in found[1][1]


def test_a_lab_has_exactly_one_mover(lab_folder: LabFolder) -> None:
    path = lab_folder.change(
        "lab.yaml", "  xrd-1:", '  mover-2: {driver: text-mover, address: "socket://sim:7105"}\n  xrd-1:'
    )
    assert "found 2 movers, and a lab needs exactly one device that is a mover" in faults_of(path)[0][1]


def test_a_furnace_is_watched_by_a_safety_module_only(lab_folder: LabFolder) -> None:
    path = lab_folder.change("lab.yaml", "watched_by: safety-2", "watched_by: doser-1")
    assert faults_of(path) == [
        (
            lab_folder.line_of("lab.yaml", "watched_by: doser-1"),
            "devices.furnace-2.watched_by: 'doser-1' is no safety module of this lab",
        )
    ]


def test_a_furnace_that_nobody_watches_is_refused(lab_folder: LabFolder) -> None:
    path = lab_folder.change("lab.yaml", "    watched_by: safety-2\n", "")
    assert faults_of(path) == [
        (
            lab_folder.line_of("lab.yaml", "  furnace-2:"),
            "devices.furnace-2: nobody watches it: name its safety module with watched_by",
        )
    ]


def test_a_furnace_that_no_station_uses_needs_nobody(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "    watched_by: safety-2\n", "")
    lab_folder.change("lab.yaml", "heat: [furnace-1, furnace-2]", "heat: [furnace-1]")
    lab = lab_folder.load()
    assert list(lab.furnaces) == ["furnace-1"]
    assert (list(lab.all_furnaces), lab.watched) == (["furnace-1", "furnace-2"], {"furnace-1": "safety-1"})
    (remark,) = remarks_on(lab)
    assert remark.line == lab_folder.line_of("lab.yaml", "  furnace-2:")
    assert remark.message.startswith("devices.furnace-2: no safety module watches this furnace, so nothing cuts its")


def test_a_furnace_that_no_station_uses_is_watched_like_the_others(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "heat: [furnace-1, furnace-2]", "heat: [furnace-1]")
    lab = lab_folder.load()
    assert list(lab.furnaces) == ["furnace-1"]
    assert lab.watched == {"furnace-1": "safety-1", "furnace-2": "safety-2"}
    assert remarks_on(lab) == []


@pytest.mark.parametrize(
    ("old", "new", "first"),
    [
        ("modbus-tcp://sim:5021/1", "modbus-tcp://sim:5020/1", "safety-1"),
        ("modbus-rtu:sim/furnace-2/1", "modbus-rtu:sim/furnace-1/1", "furnace-1"),
        ("socket://sim:7702", "socket://sim:7101", "mover-1"),
    ],
)
def test_two_devices_with_one_address_are_refused(lab_folder: LabFolder, old: str, new: str, first: str) -> None:
    ((line, message),) = faults_of(lab_folder.change("lab.yaml", old, f"{new}"))
    assert message.endswith(f"address: {first} has the address {new} too: give each device its own")
    lines = lab_folder.path("lab.yaml").read_text(encoding="utf-8").splitlines()
    assert line == max(number for number, text in enumerate(lines, start=1) if new in text)


def test_the_simulator_gives_two_devices_of_one_model_a_place_each(lab_folder: LabFolder) -> None:
    for n in (1, 2):
        lab_folder.change("lab.yaml", f"modbus-rtu:sim/furnace-{n}/1", "sim:eurotherm-3216p")
        lab_folder.change("lab.yaml", f"modbus-tcp://sim:502{n - 1}/1", "sim:safety-io")
    assert lab_folder.load().simulated


def test_units_of_one_bus_have_an_address_each(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "modbus-rtu:sim/furnace-2/1", "modbus-rtu:sim/furnace-1/2")
    assert lab_folder.load().simulated


@pytest.mark.parametrize("wavelength", ["CuKa", "cuka1", "MoKa", "1.5406", "'0.7'", "2"])
def test_a_wavelength_is_a_name_or_a_number_in_angstrom(lab_folder: LabFolder, wavelength: str) -> None:
    lab_folder.change("lab.yaml", "wavelength: CuKa", f"wavelength: {wavelength}")
    assert lab_folder.load().devices["xrd-1"].wavelength == wavelength.strip("'")


@pytest.mark.parametrize("wavelength", ["CuKb", "154", "0", "copper"])
def test_a_wavelength_that_nobody_knows_is_told_with_those_that_are(lab_folder: LabFolder, wavelength: str) -> None:
    ((line, message),) = faults_of(lab_folder.change("lab.yaml", "CuKa", wavelength))
    assert line == lab_folder.line_of("lab.yaml", "xrd-1:")
    assert message.startswith(f"devices.xrd-1.wavelength: wavelength '{wavelength}': expected one of CrKa, CrKa1, ")
    assert message.endswith("or 0.1 to 5 angstrom")


@pytest.mark.parametrize(
    ("station", "one", "device"),
    [
        (
            "dose",
            "doser-1",
            '  second: {driver: quantos, address: "pty:sim/b", heads: {1: TiO2-lot3}, limits: {mass: 2 g}}',
        ),
        ("measure", "xrd-1", '  second: {driver: aeris, address: "socket://sim:7703", wavelength: CuKa}'),
    ],
)
def test_a_second_doser_or_diffractometer_is_refused_because_it_would_not_be_used(
    lab_folder: LabFolder, station: str, one: str, device: str
) -> None:
    lab_folder.change("lab.yaml", "  mover-1:", f"{device}\n  mover-1:")
    lab_folder.load()
    path = lab_folder.change("lab.yaml", f"{station}: [{one}]", f"{station}: [{one}, second]")
    assert faults_of(path) == [
        (
            lab_folder.line_of("lab.yaml", f"{station}: ["),
            f"stations.{station}: found 2 devices, and this version uses one: name the one to use",
        )
    ]


def test_a_head_holds_a_lot_of_the_inventory(lab_folder: LabFolder) -> None:
    path = lab_folder.change("lab.yaml", "2: TiO2-lot3", "2: TiO2-lot9")
    ((line, message),) = faults_of(path)
    assert line == lab_folder.line_of("lab.yaml", "TiO2-lot9")
    assert "lot 'TiO2-lot9' is not in inventory.yaml: there are BaCO3-lot7, TiO2-lot3" in message


def test_faults_of_the_inventory_carry_its_name_and_line(lab_folder: LabFolder) -> None:
    lab_folder.change("inventory.yaml", "assay: 0.95", "assay: 95")
    with pytest.raises(DocumentError) as caught:
        lab_folder.load()
    (fault,) = caught.value.faults
    assert fault.file == str(lab_folder.path("inventory.yaml"))
    assert fault.line == lab_folder.line_of("inventory.yaml", "BaO2-lot2")
    assert fault.message == "lots.BaO2-lot2.assay: is 95, and must be 1 or less"


def test_a_missing_inventory_is_told_with_its_path(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", "inventory: inventory.yaml", "inventory: store.yaml")
    with pytest.raises(DocumentError, match=r"store\.yaml: cannot be read"):
        lab_folder.load()


@pytest.mark.parametrize("name", ["a/b", "../x", "", "two words"])
def test_a_labs_name_can_name_a_lock(lab_folder: LabFolder, name: str) -> None:
    path = lab_folder.change("lab.yaml", "name: powder-1", f"name: '{name}'")
    assert faults_of(path) == [
        (
            lab_folder.line_of("lab.yaml", "name:"),
            f"name: is {name!r}, and a lock is named after it: use letters, digits, - and _ alone",
        )
    ]


def test_programmes_are_those_of_the_file_or_the_one_that_is_stored_by_default(lab_folder: LabFolder) -> None:
    assert programs_of(lab_folder.load().devices["xrd-1"]) == {DEFAULT_PROGRAM: (10.0, 80.0, 480.0)}
    lab_folder.change(
        "lab.yaml", "wavelength: CuKa", "wavelength: CuKa, programs: {slow: {from: 5 deg, to: 90 deg, time: 1 h}}"
    )
    assert programs_of(lab_folder.load().devices["xrd-1"]) == {"slow": (5.0, 90.0, 3600.0)}


def test_a_lot_is_meant_by_its_name_or_by_a_formula_that_it_alone_has() -> None:
    lots = {
        "TiO2-lot3": {"formula": "TiO2", "mass": "100 g"},
        "BaCO3-lot7": {"formula": "BaCO3", "mass": "100 g"},
        "BaCO3-lot8": {"formula": "BaCO3", "mass": "100 g"},
    }
    inventory = InventoryFile.model_validate({"lots": lots, "vials": 1, "crucibles": 1, "holders": 1})
    assert inventory.lot_named("BaCO3-lot8") == "BaCO3-lot8"
    assert inventory.lot_named("TiO2") == "TiO2-lot3"
    with pytest.raises(ValueError, match="'BaCO3' fits the lots BaCO3-lot7, BaCO3-lot8: name one of them"):
        inventory.lot_named("BaCO3")
    with pytest.raises(ValueError, match="'BaO' is not in the inventory: there are TiO2-lot3, BaCO3-lot7"):
        inventory.lot_named("BaO")
    assert inventory.lots["TiO2-lot3"].mass == 100_000.0
    assert inventory.lots["TiO2-lot3"].grain == 2.0


def test_what_a_device_does_when_its_person_is_gone_is_declared(lab_folder: LabFolder) -> None:
    devices = lab_folder.load().devices
    assert devices["furnace-1"].hold_for_s == 600.0
    assert devices["mover-1"].hold_for_s == 0.0
    lab_folder.change("lab.yaml", "{driver: text-mover, ", "{driver: text-mover, on_lease_loss: safe, ")
    assert lab_folder.load().devices["mover-1"].hold_for_s == 0.0


@pytest.mark.parametrize("declared", ["{hold_for: 0 s}", "{hold_for: 10}", "{stay_for: 10 min}", "dance"])
def test_what_cannot_be_declared_for_a_lost_lease_is_refused_with_its_line(
    lab_folder: LabFolder, declared: str
) -> None:
    lab_folder.change("lab.yaml", "{driver: text-mover, ", f"{{driver: text-mover, on_lease_loss: {declared}, ")
    with pytest.raises(DocumentError) as refused:
        lab_folder.load()
    line = lab_folder.line_of("lab.yaml", "on_lease_loss: " + declared)
    assert any(fault.line == line and "on_lease_loss" in fault.message for fault in refused.value.faults)


@pytest.mark.parametrize(("results", "key"), [("", "address"), (', results: "dir:sim/xrd-1"', "results")])
def test_a_real_diffractometer_says_where_its_files_are(lab_folder: LabFolder, results: str, key: str) -> None:
    path = lab_folder.change("lab.yaml", "socket://sim:7702", "socket://192.0.2.61:702")
    lab_folder.change("lab.yaml", "wavelength: CuKa", f"wavelength: CuKa{results}")
    ((line, message),) = faults_of(path)
    assert line == lab_folder.line_of("lab.yaml", "192.0.2.61")
    assert message.startswith(f"devices.xrd-1.{key}: its files would be looked for at ")
    lab_folder.change("lab.yaml", f"wavelength: CuKa{results}", 'wavelength: CuKa, results: "dir:/mnt/xrd-1"')
    assert lab_folder.load().real_devices == ["xrd-1"]


# ---------------------------------------------------------------- limits and options, as a driver names them

POLLED = ':5020/1", watchdog: 1 s'
"""Where an option of safety-1 can stand."""


@pytest.mark.parametrize(
    ("old", "limits", "key", "read"),
    [
        ("{mass: 2 g}", "{mass: 0 g}", "doser-1.limits.mass", "0 g"),
        ("{mass: 2 g}", "{mass: -2 g}", "doser-1.limits.mass", "-2 g"),
        ("{driver: text-mover, ", "{driver: quantos, heads: {}, limits: {mass: 0 mg}, ", "mover-1.limits.mass", "0 mg"),
    ],
)
def test_a_limit_of_nothing_or_less_is_refused(
    lab_folder: LabFolder, old: str, limits: str, key: str, read: str
) -> None:
    line_and_message = faults_of(lab_folder.change("lab.yaml", old, limits))[0]
    line = lab_folder.line_of("lab.yaml", limits)
    assert line_and_message == (line, f"devices.{key}: {read} was read, and a limit must be greater than 0")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("{mass: 2 g, mas: 1 g}", "driver quantos has no limit 'mas' (it has mass): did you mean 'mass'?"),
        ("{mass: 2 g, height: 1 mm}", "driver quantos has no limit 'height' (it has mass)"),
    ],
)
def test_a_limit_that_a_driver_does_not_have_is_told_with_those_that_it_has(
    lab_folder: LabFolder, limits: str, said: str
) -> None:
    ((line, message),) = faults_of(lab_folder.change("lab.yaml", "{mass: 2 g}", limits))
    assert line == lab_folder.line_of("lab.yaml", limits)
    assert message.endswith(f": {said}")


@pytest.mark.parametrize(
    ("options", "key", "said"),
    [
        (
            "{pol: 2 s}",
            "pol",
            "driver safety-io has no option 'pol' (it has timeout, act_timeout, baud, parity, stop_bits, quiet, poll): "
            "did you mean 'poll'?",
        ),
        ("{timeout: 2}", "timeout", "2 is no quantity: write a number and a unit, such as '1 s'"),
        ("{timeout: -2 s}", "timeout", "-2 s was read, and it cannot be negative"),
        (
            "{poll: 2 s}",
            "poll",
            "the laboratory sets it by itself, leave it out: safety modules are looked at with every scan",
        ),
        (
            "{timeout: 2 mm}",
            "timeout",
            "'2 mm' has not the unit of a value in s: write it in s or a unit that converts",
        ),
    ],
)
def test_an_option_that_a_driver_cannot_take_is_told_with_its_line(
    lab_folder: LabFolder, options: str, key: str, said: str
) -> None:
    path = lab_folder.change("lab.yaml", POLLED, f"{POLLED}, options: {options}")
    line = lab_folder.line_of("lab.yaml", options)
    assert faults_of(path) == [(line, f"devices.safety-1.options.{key}: {said}")]


def test_a_device_is_told_its_options_and_limits_in_the_units_of_its_driver(lab_folder: LabFolder) -> None:
    lab_folder.change("lab.yaml", POLLED, f"{POLLED}, options: {{timeout: 300 ms, parity: E}}")
    devices = lab_folder.load().devices
    assert devices["safety-1"].told == {"timeout": 0.3, "parity": "E", "limits": {}}
    assert devices["doser-1"].told == {"limits": {"mass": 2000.0}}
    assert devices["safety-1"].limit("mass") is None


LETTERED = """\
from drivers.devices.text_mover import TextMover
from drivers.kinds import Kind
from drivers.spec import DriverSpec, Option

DRIVER = DriverSpec(Kind.SHAKER, TextMover, lambda parts: None, options={"unit": Option("the letter it hears")})
"""


@pytest.mark.parametrize(
    ("first", "second", "is_refused"),
    [
        ("{unit: A}", "{unit: B}", False),
        ("{unit: A}", "{unit: A}", True),
        ("{unit: A}", "{}", True),
        ("{}", "{}", True),
    ],
)
def test_devices_share_a_line_where_each_has_a_unit_of_its_own(
    lab_folder: LabFolder, monkeypatch: pytest.MonkeyPatch, first: str, second: str, is_refused: bool
) -> None:
    (lab_folder.folder / "lab_of_letters").mkdir()
    lab_folder.write("lab_of_letters/lettered.py", LETTERED)
    monkeypatch.syspath_prepend(lab_folder.folder)
    entries = "".join(
        f'  shaker-{n}: {{driver: lab_of_letters.lettered, address: "pty:sim/line", options: {options}}}\n'
        for n, options in enumerate((first, second), start=1)
    )
    path = lab_folder.change("lab.yaml", "  mover-1:", f"{entries}  mover-1:")
    if not is_refused:
        assert len(lab_folder.load().devices) == 9
        return
    said = "devices.shaker-2.address: shaker-1 has the address sim/line too: give each device its own"
    assert faults_of(path) == [(lab_folder.line_of("lab.yaml", "shaker-2"), said)]
