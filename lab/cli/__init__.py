"""The command line: ``athanor`` and its commands. Imports late, so that help comes at once."""


def main() -> None:
    """Run the command line."""
    from lab.cli.app import app

    app()
