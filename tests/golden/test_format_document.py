"""docs/format.md says what the code does: examples, fields, columns and limits."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from core import limits
from core.catalog.tables import write_items, write_part
from core.catalog.workspace import Workspace, quote
from core.format import names, records, seal
from core.format.frame import decode_frame
from core.format.pack import read_tail
from core.format.wrapping import unwrap
from core.ids import BlobId, content_digest
from core.model import (
    Claim,
    Identity,
    Item,
    ItemKind,
    JobDefinition,
    PackedBlob,
    PackRow,
    Parameters,
    Record,
)
from tests.golden import cloud, example, vault

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "format.md").read_text()
FENCE = re.compile(r"^```\w*\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def tables() -> list[list[list[str]]]:
    """Return the document's tables as rows of cells, without their headings."""
    found: list[list[list[str]]] = [[]]
    for line in TEXT.splitlines():
        if line.startswith("|"):
            found[-1].append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
        elif found[-1]:
            found.append([])
    return [table[2:] for table in found if table]


def table_with(first_cell: str) -> list[list[str]]:
    return next(table for table in tables() if table[0][0] == first_cell)


@pytest.mark.parametrize("title", list(example.all_blocks()))
def test_the_document_shows_the_real_bytes(title: str) -> None:
    assert example.all_blocks()[title] in FENCE.findall(TEXT)


def test_the_document_shows_a_real_slot_of_a_cloud_key() -> None:
    assert cloud.show_slot() in FENCE.findall(TEXT)
    assert vault.show_slot() in FENCE.findall(TEXT)


def test_the_document_shows_the_examples_secrets() -> None:
    assert f"`{example.PASSPHRASE}`" in TEXT
    assert f"`{example.RECOVERY_KEY}`" in TEXT
    assert f"`{example.PACK}`" in TEXT


def test_the_example_opens_with_either_secret_and_holds_its_blobs() -> None:
    keyset = example.stored_keyset()
    assert unwrap(keyset, example.PASSPHRASE) == unwrap(keyset, example.RECOVERY_KEY) is not None
    content = example.pack_content()
    rows = iter(read_tail(len(content), content))
    for blobs in example.FRAMES:
        for blob in blobs:
            row = next(rows)
            frame = content[row.frame_offset : row.frame_offset + row.frame_length]
            found = decode_frame(frame, limits.FRAME_SIZE_MAX)
            assert found[row.offset : row.offset + row.length] == blob
            assert (row.id, row.digest) == (example.blob_id(blob), content_digest(blob))


def test_the_shown_identity_and_record_are_what_they_say() -> None:
    stored = example.read(names.PACKED_REPOSITORY)
    assert records.decode_identity(stored, "example") == example.IDENTITY
    shown = json.dumps(json.loads(example.all_blocks()["record"])).encode()
    assert records.decode(Record, shown, "example") == example.record()


@pytest.mark.parametrize("kind", [Identity, Parameters, Record, JobDefinition, Claim])
def test_every_field_of_stored_json_is_documented(kind: type) -> None:
    expected = [field.name for field in fields(kind)]
    assert expected in [[row[0] for row in table] for table in tables()]


def columns_of(workspace: Workspace, path: Path) -> list[list[str]]:
    query = f"describe select * from read_parquet({quote(path)})"
    return [[str(row[0]), str(row[1])] for row in workspace.rows(query)]


def test_the_columns_of_a_layer_are_documented() -> None:
    with Workspace(64 * limits.MIB) as workspace:
        item = Item(path=b"a", kind=ItemKind.FILE, size=1, blobs=(BlobId(bytes(32)),))
        write_items(workspace, [item], "items")
        path = workspace.new_path("layer")
        workspace.run(f"copy items to {quote(path)} (format parquet)")
        stored = columns_of(workspace, path)
    assert stored == [row[:2] for row in table_with("path")]


def test_the_columns_of_the_index_and_of_parts_are_documented() -> None:
    blob = PackedBlob(
        id=BlobId(bytes(32)),
        digest=content_digest(b"x"),
        frame_offset=0,
        frame_length=1,
        offset=0,
        length=1,
    )
    pack = PackRow(session_id=example.SESSION_ID, pack_id=example.PACK_ID, size=1, sha256=b"")
    with Workspace(64 * limits.MIB) as workspace:
        path = workspace.new_path("part")
        write_part(workspace, path, pack, [(0, "", blob, "")])
        stored = columns_of(workspace, path)
    index = next(table for table in tables() if table[-1][0] == "length")
    documented = [row[:2] for row in index]
    assert stored == [["ordinal", "BIGINT"], ["fault", "VARCHAR"], *documented]


def test_the_limits_are_documented() -> None:
    documented = {row[0]: row[1] for row in table_with("length of a blob")}
    assert documented == {
        "length of a blob": f"1 to {limits.BLOB_SIZE_MAX:,} bytes",
        "content of a pack's frame": f"1 to {limits.FRAME_SIZE_MAX:,} bytes",
        "compressed size of a pack's frame": f"1 to {limits.FRAME_STORED_SIZE_MAX:,} bytes",
        "blobs of a pack": f"1 to {limits.PACK_BLOBS_MAX:,}",
        "table of contents, its first 8 bytes included": (
            f"{limits.TABLE_OF_CONTENTS_SIZE_MAX:,} bytes"
        ),
        "content of a table object": f"{limits.TABLE_OBJECT_SIZE_MAX:,} bytes",
        "content of a JSON object": f"{limits.JSON_SIZE_MAX:,} bytes",
    }
    assert f"more than {limits.LAYERS_MAX} layers" in TEXT.replace("\n", " ")
    assert TEXT.startswith(f"# The Coldhaul repository format, version {limits.FORMAT_VERSION}\n")


def test_the_constants_of_the_seal_are_documented() -> None:
    assert f"{seal.HEADER_SIZE} + {seal.STORED_CHUNK_SIZE:,} k" in TEXT
    assert f"{seal.HEADER_SIZE} + n + {seal.TAG_SIZE} (⌊n / {seal.CHUNK_SIZE:,}⌋ + 1)" in TEXT


def test_the_copy_that_goes_into_repositories_is_the_document() -> None:
    carried = ROOT / "core" / "format" / "resources" / names.FORMAT_DOCUMENT
    assert carried.read_text() == TEXT
