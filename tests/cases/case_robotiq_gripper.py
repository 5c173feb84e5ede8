from tests.cases.case import Case

CASE = Case(
    "robotiq-gripper",
    "gripper-1",
    "socket://sim:63352",
    limits={"force": 60.0},
    arguments={"close": {"force_percent": 40.0}},
    first=dict.fromkeys(("open", "close"), (("robotiq-gripper", "activate"),)),
)
