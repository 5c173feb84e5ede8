from tests.cases.case import Case

CASE = Case(
    "text-mill",
    "mill-2",
    "socket://sim:7111",
    limits={"speed": 600.0},
    arguments={"mill": {"time_s": 60.0, "speed_rpm": 300.0}},
)
