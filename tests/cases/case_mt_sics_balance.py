from tests.cases.case import Case

CASE = Case(
    "mt-sics-balance",
    "balance-1",
    "pty:sim/balance-1",
    limits={"mass": 220_000.0},
)
