from tests.cases.case import Case

CASE = Case(
    "safety-io",
    "safety-1",
    "modbus-tcp://sim:5020/1",
    arguments={"start-watchdog": {"timeout_s": 600.0}},
)
