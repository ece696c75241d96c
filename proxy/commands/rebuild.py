"""``coldhaul rebuild``: everything back from packs and a secret alone (I8)."""

import typer

from core.engine.obeying import obeying
from core.engine.rebuild import RebuildOutcome, rebuild_repository
from proxy.commands.arguments import RepositoryName
from proxy.documents import Document
from proxy.exits import DONE, INTEGRITY, WARNINGS
from proxy.interrupt import stoppable
from proxy.invocation import Invocation, command
from proxy.opening import open_store, secret_source
from proxy.progress import shown_progress
from proxy.wording import show_count, show_duration


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "rebuild")(rebuild)


def rebuild(invocation: Invocation, name: RepositoryName) -> int:
    """Bring a repository of copies back from its packs and the secret alone.

    Restores what is missing of identity, keys, index, layers and records; replaces nothing that is
    there. A restore point is published only when all that it needs is proved to be there. Jobs
    are not in packs: create them again.

    Example: coldhaul rebuild vault
    """
    go_on = invocation.command_line("rebuild", name)
    store = open_store(invocation, name)
    with (
        stoppable(go_on) as stop,
        obeying(stop, store),
        shown_progress(invocation.output) as progress,
    ):
        outcome = rebuild_repository(store, secret_source(invocation.config, name), progress, stop)
    invocation.output.show(_document(name, outcome), *_lines(outcome))
    for problem in (*outcome.refused, *outcome.problems):
        invocation.output.warn(f"{problem.name}: {problem.reason}")
    if outcome.refused:
        return INTEGRITY
    return WARNINGS if outcome.problems else DONE


def _document(name: str, outcome: RebuildOutcome) -> Document:
    return {
        "repository": name,
        "published_points": list(outcome.published),
        "existing_point_count": outcome.existing_count,
        "restored_names": list(outcome.restored),
        "restored_layer_count": outcome.restored_layer_count,
        "restored_index_count": outcome.restored_index_count,
        "recovered_index_names": list(outcome.recovered),
        "refused": [{"name": each.name, "reason": each.reason} for each in outcome.refused],
        "problems": [{"name": each.name, "reason": each.reason} for each in outcome.problems],
        "seconds": round(outcome.seconds, 3),
    }


def _lines(outcome: RebuildOutcome) -> list[str]:
    lines = [
        *(f"Restored {name}" for name in outcome.restored),
        *(f"Published restore point {point}" for point in outcome.published),
    ]
    tables = outcome.restored_layer_count + outcome.restored_index_count
    if tables:
        lines.append(f"Restored {show_count(tables, 'table')} of layers and index")
    if outcome.recovered:
        count = show_count(len(outcome.recovered), "index object")
        lines.append(f"Made {count} from the packs' own tables of contents")
    existing = show_count(outcome.existing_count, "restore point")
    lines.append(f"{existing} existed already; took {show_duration(outcome.seconds)}")
    return lines
