"""Whether the metadata packs could bring everything back (I8), as far as their tables tell."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.engine.metadata import list_metadata_packs, read_listing
from core.engine.proof import tables_of
from core.engine.verify_terms import Terms, check_stop
from core.errors import IntegrityError, NotFoundError, NotReadyError
from core.format import names
from core.model import Record, SessionKind
from core.sources.repository import Repository

Run = Sequence[tuple[str, int]]


@dataclass(slots=True, kw_only=True)
class MetadataPacks:
    """The metadata packs, (name, stored size) of each one's packs, and what they hold.

    ``whole`` have all that they list. ``cut`` have not: their session was stopped and wrote
    another one, or something is lost, which shows where a member is missing. ``archived`` ones
    were not looked into.
    """

    whole: dict[str, Run] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    archived: list[str] = field(default_factory=list)
    members: set[tuple[str, int]] = field(default_factory=set)

    @property
    def count(self) -> int:
        """All of them."""
        return len(self.whole) + len(self.cut) + len(self.archived)


def list_members(repository: Repository, terms: Terms) -> MetadataPacks:
    """Read what each metadata pack lists; one that is damaged is a fault."""
    runs = list_metadata_packs(repository)
    terms.progress.start("Checking metadata packs", None, len(runs))
    packs = MetadataPacks()
    for name, run in runs.items():
        check_stop(terms)
        try:
            members = read_listing(repository, run)
        except IntegrityError as error:
            terms.faults.add(name, error.message)
        except NotFoundError:
            continue  # Pruned since it was listed; if not, its members are missed.
        except NotReadyError:
            packs.archived.append(name)
        else:
            if members is None:
                packs.cut.append(name)
            else:
                packs.whole[name] = run
                packs.members.update(members.items())
        terms.progress.advance(count=1)
    return packs


def check_members(packs: MetadataPacks, records: Sequence[Record], terms: Terms) -> None:
    """Check that record and layers of every copied point are among the packs once more.

    An index need not be: packs name their blobs themselves.
    """
    if packs.archived:
        return
    stored_names = {name for name, _ in packs.members}
    for record in records:
        if record.kind is not SessionKind.COPY:
            continue
        name = names.record(record.source_id, record.time, record.session_id)
        tables = {(table.name, table.size) for table in tables_of(record.layers)}
        lacking = {table for table, _ in tables - packs.members} | ({name} - stored_names)
        for missing in lacking:
            reason = "is in no metadata pack: were it lost, no rebuild would bring it back"
            terms.faults.add(missing, reason, is_marked=False)
            terms.faults.touch(missing, [record.id])
