from tests.cases.case import Case

CASE = Case(
    "text-mover",
    "mover-1",
    "socket://sim:7101",
    arguments={
        "move": {"from_position": "vials/1", "to_position": "mill-1/1"},
        "pour": {"from_position": "vials/1", "to_position": "crucibles/1"},
        "mix": {"position": "mill-1/1", "time_s": 60.0, "speed_rpm": 300.0, "method": "ball-mill"},
        "clean": {"position": "mill-1/1"},
        "head": {"doser": "doser-1", "number": 1},
        "door": {"furnace": "furnace-1", "open": True},
        "look-at": {"position": "vials/1"},
    },
)
