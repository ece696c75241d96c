"""``coldhaul verify``: whether every restore point can be had back."""

from dataclasses import asdict
from typing import Annotated

import typer

from core.engine.obeying import obeying
from core.engine.verify import VerifyCounts, VerifyOutcome, verify_repository
from core.errors import InputError
from core.ids import format_time
from proxy.commands.arguments import RepositoryName
from proxy.documents import Document
from proxy.exits import DONE, INTEGRITY, WARNINGS
from proxy.interrupt import stoppable
from proxy.invocation import Invocation, command
from proxy.opening import open_named
from proxy.progress import shown_progress
from proxy.wording import show_count, show_duration, show_size

ReadDataOption = Annotated[
    str,
    typer.Option(
        "--read-data",
        metavar="[=all|N%]",
        help="Read the data as well and check every digest: all of it, or N percent, another "
        "part each day.",
    ),
]
_FINDINGS_SHOWN_MAX = 50
_UPLOADS_SHOWN_MAX = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "verify")(verify)


def verify(invocation: Invocation, name: RepositoryName, read_data: ReadDataOption = "") -> int:
    """Verify that every restore point can be had back.

    Compares records, index, layers and the listing, with sizes and checksums. With --read-data
    every digest is checked too. Damage is listed below damaged/, where the next session, backup
    and restore look, and makes the exit code 7.

    Example: coldhaul verify vault

    Example: coldhaul verify vault --read-data=10%
    """
    percent = parse_share(read_data)
    repository = open_named(invocation, name)
    words = ("--read-data",) if percent == 100 else (f"--read-data={percent}%",)
    go_on = invocation.command_line("verify", name, *(words if percent else ()))
    with (
        stoppable(go_on) as stop,
        obeying(stop, repository.store),
        shown_progress(invocation.output) as progress,
    ):
        outcome = verify_repository(repository, read_percent=percent, progress=progress, stop=stop)
    invocation.output.show(_document(name, percent, outcome), *_lines(percent, outcome))
    for stray in outcome.stray:
        invocation.output.warn(f"{stray} means nothing here; move it out of the repository")
    for upload in outcome.uploads.left[:_UPLOADS_SHOWN_MAX]:
        begun = format_time(upload.started)
        invocation.output.warn(f"the upload of {upload.name}, begun {begun}, was never ended")
    if outcome.finding_count:
        return INTEGRITY
    return WARNINGS if outcome.stray_count or outcome.uploads.left else DONE


def parse_share(text: str) -> int:
    """Read how much data is to be read: ``all``, ``N%``, or nothing at all."""
    if text in {"", "all"}:
        return 100 if text else 0
    digits = text.removesuffix("%")
    percent = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else 0
    if not text.endswith("%") or not 1 <= percent <= 100:
        raise InputError(
            f"--read-data={text} is not a share of the data",
            hint="Write --read-data for all of it, or a percentage, as in --read-data=10%.",
        )
    return percent


def _document(name: str, percent: int, outcome: VerifyOutcome) -> Document:
    return {
        "repository": name,
        "read_percent": percent,
        "finding_count": outcome.finding_count,
        "findings": [
            {
                "name": finding.name,
                "reason": finding.reason,
                "restore_points": list(finding.points),
                "item_count": finding.item_count,
            }
            for finding in outcome.findings
        ],
        "counts": asdict(outcome.counts),
        "stray_count": outcome.stray_count,
        "stray_names": list(outcome.stray),
        "discarded_upload_count": len(outcome.uploads.discarded),
        "unfinished_uploads": [
            {"name": each.name, "started": format_time(each.started), "size": each.size}
            for each in outcome.uploads.left
        ],
        "notes": list(outcome.notes),
        "seconds": round(outcome.seconds, 3),
    }


def _lines(percent: int, outcome: VerifyOutcome) -> list[str]:
    counts = outcome.counts
    packs = f"{show_count(counts.pack_count, 'pack')}, {show_size(counts.pack_size)}"
    blobs = f"{counts.packed_blob_count:,} packed and {counts.loose_blob_count:,} loose blobs"
    lines = [
        f"Looked at {show_count(counts.point_count, 'restore point')}: {packs}, {blobs}",
        f"  data       {_describe_reading(percent, counts)}",
        f"  time       {show_duration(outcome.seconds)}",
    ]
    if counts.unused_pack_count:
        unused = f"{show_count(counts.unused_pack_count, 'pack')}, "
        lines.append(f"  unused     {unused}{show_size(counts.unused_pack_size)}")
    lines += [f"  note       {note}" for note in outcome.notes]
    if not outcome.finding_count:
        return [*lines, "No damage found."]
    lines.append(f"DAMAGE: {show_count(outcome.finding_count, 'object')}")
    for finding in outcome.findings[:_FINDINGS_SHOWN_MAX]:
        lines.append(f"  {finding.name}: {finding.reason}")
        if finding.points:
            items = show_count(finding.item_count, "item")
            lines.append(f"    touches {items} in {', '.join(finding.points)}")
    more = outcome.finding_count - min(len(outcome.findings), _FINDINGS_SHOWN_MAX)
    return [*lines, f"  and {more:,} more; --json lists them"] if more > 0 else lines


def _describe_reading(percent: int, counts: VerifyCounts) -> str:
    if not percent:
        return "not read; --read-data reads and checks it"
    read = counts.read
    archived = f"; {read.archived_count:,} packs are archived" if read.archived_count else ""
    packs = show_count(read.pack_count, "pack")
    blobs = show_count(read.blob_count, "loose blob")
    return f"{percent} %: read {packs} and {blobs}, {show_size(read.size)}{archived}"
