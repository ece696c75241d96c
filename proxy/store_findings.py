"""What the configuration of a repository's store means, as findings and in words."""

from collections.abc import Iterator

from core.engine.check import Finding, Level
from core.stores.address import FILESYSTEM
from core.stores.classes import Use, parse_storage_class
from proxy.config import Config
from proxy.endpoint import is_readable_by_others
from proxy.store_settings import place_of, store_settings
from proxy.tables import RepositoryTable


def check_configured_store(config: Config, table: RepositoryTable) -> Iterator[Finding]:
    """Say which classes a repository's objects go into, and whether others can read on the way."""
    classes = describe_classes(config, table)
    if classes:
        yield Finding(level=Level.OK, what="classes", detail=classes)
    endpoint = place_of(config, table).endpoint
    if is_readable_by_others(endpoint):
        yield Finding(
            level=Level.WARNING,
            what="transport",
            detail=f"{endpoint} is plain http: whoever is on the way can read what is not "
            "encrypted, and change what passes",
            hint="Write https:// if the store can; ca_bundle names authorities of your own.",
        )


def describe_classes(config: Config, table: RepositoryTable) -> str:
    """Say in words which classes a repository's objects go into; empty for a folder."""
    vendor = store_settings(config, table).vendor
    if vendor == FILESYSTEM or table.is_bucket:
        return ""
    packs = parse_storage_class(table.storage_class, vendor, Use.PACKS)
    costs = [
        "a retrieval before they are read" if packs.needs_retrieval else "",
        f"billed for {packs.days_min} days at least" if packs.days_min else "",
        f"and for {packs.size_min >> 10} KiB at least" if packs.size_min else "",
    ]
    named = ", ".join([packs.name or "the bucket's default", *filter(None, costs)])
    return f"packs in {named}; everything else in {table.metadata_class or 'the default'}"
