from tests.cases.case import Case

CASE = Case(
    "alicat",
    "gas-1",
    "pty:sim/gas-1",
    limits={"flow": 200.0},
    options={"unit": "A"},
    sim={"unit": "A"},
    arguments={"set-flow": {"sccm": 100.0}, "set-gas": {"gas": "Ar"}},
)
