from tests.cases.case import Case

CASE = Case(
    "quantos",
    "doser-1",
    "pty:sim/doser-1",
    limits={"mass": 2000.0},
    sim={"heads": {1: "TiO2-a"}},
    arguments={
        "dose": {"mass_mg": 100.0, "tolerance_mg": 1.0, "sample_id": "S1"},
        "move-sampler": {"position": 3},
    },
    first={"dose": (("text-mover", "head"), ("quantos", "lock-head"))},
    nothing_to_do=frozenset({"stop-dosing"}),
)
