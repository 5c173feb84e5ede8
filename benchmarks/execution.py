"""The figures of execution: how good a plan for weeks of work is, and how fast a decision.

python benchmarks/execution.py [--quick] [--json FILE]

With ``--json`` the plans are also drawn, beside the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

# This folder may hold modules with the names of our packages; those must win.
HERE = Path(__file__).resolve().parent
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
sys.path.insert(0, str(HERE.parent))

from benchmarks.execution_harness.planning import decisions, planned
from benchmarks.report import arguments, report


def main() -> int:
    """Measure everything and print it."""
    options = arguments("Execution: plans and decisions.")
    figures, facts = planned(quick=options.quick, picture=options.json and options.json.with_suffix(".png"))
    return report([*figures, *decisions(quick=options.quick)], facts, options.json)


if __name__ == "__main__":
    sys.exit(main())
