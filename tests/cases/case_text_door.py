from tests.cases.case import Case

CASE = Case(
    "text-door",
    "door-1",
    "socket://sim:7113",
    arguments={"door": {"furnace": "furnace-1", "open": True}},
)
