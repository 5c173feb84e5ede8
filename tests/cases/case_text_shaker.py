from tests.cases.case import Case

CASE = Case(
    "text-shaker",
    "shaker-1",
    "socket://sim:7112",
    limits={"speed": 1200.0},
    arguments={"shake": {"time_s": 60.0, "speed_rpm": 600.0}},
)
