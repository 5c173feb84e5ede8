from tests.cases.case import Case

CASE = Case(
    "file-drop-diffractometer",
    "xrd-2",
    "dir:sim/xrd-2",
    options={"results": "dir:{results}"},
    sim={"dir": "{results}"},
    arguments={
        "measure": {"sample_id": "S2", "slot": 2, "program": "10-80deg-8min"},
        "remove": {"sample_id": "S2"},
    },
    nothing_to_do=frozenset({"remove"}),
)
