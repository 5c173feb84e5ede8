from tests.cases.case import Case

CASE = Case(
    "yudian-aibus",
    "kiln-1",
    "pty:sim/kiln-1",
    limits={"setpoint": 1100.0, "ramp": 10.0},
    options={"unit": 3, "write_pause": 0.0},
    sim={"unit": 3},
    arguments={
        "run-program": {"steps": ((10.0, 400.0, 60.0),)},
        "set-setpoint": {"degc": 400.0},
        "wait-cooled": {"below_degc": 60.0},
    },
    first={
        "hold-program": (("yudian-aibus", "run-program"),),
        "continue-program": (("yudian-aibus", "run-program"), ("yudian-aibus", "hold-program")),
    },
    undo="reset-program",
)
