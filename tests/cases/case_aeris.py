from tests.cases.case import Case

CASE = Case(
    "aeris",
    "xrd-1",
    "socket://sim:7702",
    options={"results": "dir:{results}"},
    sim={"dir": "{results}"},
    arguments={
        "measure": {"sample_id": "S1", "slot": 2, "program": "10-80deg-8min"},
        "remove": {"sample_id": "S1"},
        "move-sample": {"from_slot": 2, "to_slot": 3},
    },
    # A sample must lie there.
    first=dict.fromkeys(("measure", "move-sample"), (("ur-robot", "move"),)),
)
