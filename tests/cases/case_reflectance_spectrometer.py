from tests.cases.case import Case

HOW = {"integration_ms": 20.0, "averages": 10}

CASE = Case(
    "reflectance-spectrometer",
    "spectrometer-1",
    "socket://sim:7303",
    sim={"warm_s": 10.0},
    arguments={
        "reference-dark": HOW,
        "reference-white": HOW,
        "measure": {"sample_id": "S1", "from_nm": 350.0, "to_nm": 1100.0, **HOW},
    },
)
