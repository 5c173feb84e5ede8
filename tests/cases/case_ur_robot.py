from tests.cases.case import Case

CASE = Case(
    "ur-robot",
    "robot-1",
    "socket://sim:29999",
    sim={"move_time": 65.0},  # the labware is there within a minute, and the program not yet at its end
    options={"programs": {"home.urp": []}},
    arguments={
        "move": {"from_position": "holders/3", "to_position": "xrd-1/2"},
        "play": {"program": "home.urp"},
    },
    first={"resume": (("ur-robot", "move"), ("ur-robot", "pause"))},
    nothing_to_do=frozenset({"power-on", "brake-release"}),
    undo="stop",
)
