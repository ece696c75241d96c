"""Packs that need a retrieval: found before anything is done, and never retrieved by us.

A retrieval costs money. Until one can be ordered here, whoever runs a command is told exactly
which packs it needs, and how the vendor's own tools make them readable.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import NotReadyError
from core.stores.address import AZURE_BLOB, parse_address
from core.stores.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPack:
    """A pack that cannot be read before a retrieval, by its name and stored size."""

    name: str
    size: int
    storage_class: str


def find_archived(store: Store, packs: Iterable[tuple[str, int]]) -> list[ArchivedPack]:
    """Return those of these packs, given by name and size, that are archived."""
    sizes = dict(packs)
    found = store.archived(list(sizes))
    return [
        ArchivedPack(name=name, size=sizes[name], storage_class=storage_class)
        for name, storage_class in found.items()
    ]


def refuse_archived(store: Store, packs: Iterable[ArchivedPack], doing: str) -> None:
    """Raise ``NotReadyError`` that names every pack, if there is any."""
    needed = sorted(packs, key=lambda pack: pack.name)
    if not needed:
        return
    total = sum(pack.size for pack in needed)
    classes = ", ".join(sorted({pack.storage_class for pack in needed}))
    raise NotReadyError(
        f"cannot {doing}: {len(needed):,} packs of {total:,} bytes in all are archived ({classes});"
        " none was ordered",
        hint=_advice(store, needed[0].name),
        problems=[f"{pack.name}: {pack.storage_class}, {pack.size:,} bytes" for pack in needed],
    )


def _advice(store: Store, name: str) -> str:
    """Say how the vendor's own tool makes one of the packs readable."""
    ending = "for each of them, wait until all are readable (hours), and run this again."
    if not store.url.startswith(("s3:", "az:")):
        return f"Make them readable with the vendor's own tools: {ending}"
    address = parse_address(store.url)
    key = f"{address.prefix}/{name}" if address.prefix else name
    if store.vendor == AZURE_BLOB:
        command = (
            f"az storage blob set-tier --container-name {address.container} --name {key} "
            "--tier Hot --rehydrate-priority Standard"
        )
    else:
        command = (
            f"aws s3api restore-object --bucket {address.container} --key {key} "
            "--restore-request 'Days=7,GlacierJobParameters={Tier=Standard}'"
        )
    return f"Run `{command}` {ending}"
