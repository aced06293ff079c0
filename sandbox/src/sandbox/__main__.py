"""`python -m sandbox` and the `egov` command."""

from sandbox.cli import app


def main() -> None:
    """The entry point named in pyproject."""
    app()


if __name__ == "__main__":
    main()
