from tests.cases.case import Case

CASE = Case(
    "eurotherm-2416",
    "furnace-2416",
    "modbus-rtu:sim/furnace-2416/3",
    limits={"setpoint": 1100.0, "ramp": 10.0},
    arguments={
        "run-program": {"steps": ((10.0, 400.0, 60.0),)},
        "set-setpoint": {"degc": 400.0},
        "wait-cooled": {"below_degc": 60.0},
    },
    first={
        "hold-program": (("eurotherm-2416", "run-program"),),
        "continue-program": (("eurotherm-2416", "run-program"), ("eurotherm-2416", "hold-program")),
    },
    undo="reset-program",
)
