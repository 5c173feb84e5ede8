"""``python -m lab.safety.supervisor CONFIG.json``: how the process is started."""

from __future__ import annotations

import sys

from lab.safety.supervisor.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
