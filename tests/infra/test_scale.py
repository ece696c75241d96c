"""docs/scale.md says what its script computes, from what the project really is."""

import pytest

from core import limits
from infra.aws import scale
from infra.sizing import DOCUMENT
from tests.infra.template import template

TIB = 1 << 40


def test_the_document_is_what_the_script_writes() -> None:
    text = DOCUMENT.read_text()
    assert scale.with_tables(text) == text, "run: .venv/bin/python infra/aws/scale.py"


def test_it_computes_with_the_templates_defaults() -> None:
    parameters = template()["Parameters"]
    assert parameters["MaxConcurrency"]["Default"] == scale.CONCURRENCY
    for role in ("Plan", "Repack", "Publish"):
        assert parameters[f"{role}Memory"]["Default"] == scale.MEMORY_MB[role.lower()]
        assert parameters[f"{role}Storage"]["Default"] == scale.STORAGE_MB[role.lower()]
        assert parameters[f"{role}Storage"]["MaxValue"] == scale.STORAGE_MB_MAX
        assert parameters[f"{role}Timeout"]["Default"] == scale.FUNCTION_SECONDS
    assert parameters["Architecture"]["Default"] == "arm64"
    assert parameters["StorageClass"]["Default"] == "DEEP_ARCHIVE"


@pytest.mark.parametrize("size", [TIB // 1000, TIB, 16 * TIB, 1024 * TIB])
def test_batches_hold_everything_and_are_never_too_many(size: int) -> None:
    found = scale.scale(size)
    assert found.batches * found.batch_size >= size
    assert 1 <= found.batches <= limits.SESSION_BATCHES_MAX
    assert found.packs * limits.PACK_SIZE_MAX >= size


def test_a_tebibyte_costs_what_its_requests_do() -> None:
    """Worked out by hand: 2,097,152 reads, 2,048 packs of 16 parts each."""
    paid = scale.money(scale.scale(TIB))
    assert paid["S3: GET, one a blob"] == pytest.approx(0.84, abs=0.005)
    assert paid["S3: CompleteMultipartUpload into DEEP_ARCHIVE"] == pytest.approx(0.10, abs=0.005)
    # 32,768 parts, and of each pack a creation, a part's table and a marker; 256 batches.
    # Each of 3,665 times that functions look whether to stop, in 18,325 s, is two listings.
    requests = 32_768 + 3 * 2_048 + 256 + (2_097_152 + 2_048 + 512) / 1000 + 2 * 3_665
    assert paid["S3: PUT, UploadPart, LIST"] == pytest.approx(requests * 0.005 / 1000, rel=1e-4)
    # 18,325 s of one processor at 60 MB/s.
    assert paid["Lambda: memory and time"] == pytest.approx(0.42, abs=0.01)


def test_a_session_of_one_batch_enters_the_states_of_the_definition() -> None:
    """Begin, Plan, Choice, Map, Choice, Plan, Choice, Pass, Publish, three Choices and Succeed; and

    of the batch its start, Repack, Choice and Batch ends.
    """
    assert scale.scale(TIB // 10_000).transitions == 13 + 4
