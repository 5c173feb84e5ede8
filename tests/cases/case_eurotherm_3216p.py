from tests.cases.case import Case

CASE = Case(
    "eurotherm-3216p",
    "furnace-1",
    "modbus-rtu:sim/furnace-1/1",
    limits={"setpoint": 1100.0, "ramp": 10.0},
    sim={"watched_by": "safety-1"},
    arguments={
        "run-program": {"steps": ((10.0, 400.0, 60.0),)},
        "set-setpoint": {"degc": 400.0},
        "wait-cooled": {"below_degc": 60.0},
    },
    first={
        "hold-program": (("eurotherm-3216p", "run-program"),),
        "continue-program": (("eurotherm-3216p", "run-program"), ("eurotherm-3216p", "hold-program")),
    },
    undo="reset-program",
)
