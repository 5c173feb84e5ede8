from tests.cases.case import Case

CASE = Case(
    "dh-gripper",
    "gripper-2",
    "modbus-rtu:sim/gripper-2/1",
    limits={"force": 60.0},
    arguments={"close": {"force_percent": 40.0}},
    first=dict.fromkeys(("open", "close"), (("dh-gripper", "activate"),)),
    nothing_to_do=frozenset({"stop"}),
)
