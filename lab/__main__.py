"""``python -m lab`` is ``athanor``."""

from lab.cli import main

main()
