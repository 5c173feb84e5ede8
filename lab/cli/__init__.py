"""The command line: ``athanor`` and its commands. Imports late, so that help comes at once."""


def main() -> None:
    """Run the command line."""
    import logging

    from lab.cli.app import app

    # What libraries log goes to a run's log file; without this it would also go to the terminal.
    logging.getLogger().addHandler(logging.NullHandler())

    app()
