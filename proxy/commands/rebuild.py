"""``coldhaul rebuild``: everything back from packs and a secret alone (I8)."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
