from tests.cases.case import Case

CASE = Case(
    "eurotherm-epc3016",
    "furnace-epc3016",
    "modbus-tcp://sim:5316/1",
    limits={"setpoint": 1100.0, "ramp": 10.0},
    arguments={
        "run-program": {"steps": ((10.0, 400.0, 60.0),)},
        "set-setpoint": {"degc": 400.0},
        "wait-cooled": {"below_degc": 60.0},
    },
    first={
        "hold-program": (("eurotherm-epc3016", "run-program"),),
        "continue-program": (("eurotherm-epc3016", "run-program"), ("eurotherm-epc3016", "hold-program")),
    },
    undo="reset-program",
)
