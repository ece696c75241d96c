"""Azure's tables of docs/scale.md are what its script computes, from what the project really is."""

import pytest

from core import limits
from infra.azure import scale
from infra.sizing import DOCUMENT, TIB
from tests.infra.azure import SERVED
from tests.infra.bicep import deploy
from tests.infra.bicep_syntax import MAIN, parse, read_texts, text_of


def test_the_document_is_what_the_script_writes() -> None:
    text = DOCUMENT.read_text()
    assert scale.with_tables(text) == text, "run: .venv/bin/python infra/azure/scale.py"


def test_it_computes_with_the_defaults_of_main() -> None:
    (site,) = deploy(SERVED).of("Microsoft.Web/sites")
    assert site.properties["functionAppConfig"]["scaleAndConcurrency"] == {
        "instanceMemoryMB": scale.MEMORY_MB,
        "maximumInstanceCount": scale.INSTANCES,
    }
    parameters = parse(MAIN, read_texts()[MAIN]).of("parameter")
    assert text_of(parameters["storageClass"].value) == "'Archive'"
    bound = parameters["maximumInstances"].decorators["maxValue"]
    assert text_of(bound) == f"maxValue({scale.INSTANCES_MAX})"


@pytest.mark.parametrize("size", [TIB // 1000, TIB, 16 * TIB, 1024 * TIB])
def test_groups_hold_all_batches_and_histories_stay_bounded(size: int) -> None:
    found = scale.scale(size)
    assert (found.groups - 1) * limits.GROUP_BATCHES_MAX < found.batches
    assert found.batches <= found.groups * limits.GROUP_BATCHES_MAX
    assert found.orchestrations <= 1 + limits.SESSION_BATCHES_MAX / limits.GROUP_BATCHES_MAX
    assert found.group_rows <= scale.HISTORY_ROWS_MAX
    if found.groups == 1:
        assert found.rows == found.session_rows + found.group_rows


def test_a_tebibyte_costs_what_its_requests_do() -> None:
    """Worked out by hand: 2,097,152 reads, 2,048 packs of 16 blocks each."""
    paid = scale.money(scale.scale(TIB))
    assert paid["Blob Storage: reads, one a blob"] == pytest.approx(1.05, abs=0.005)
    assert paid["Blob Storage: Put Block List into Archive"] == pytest.approx(0.0225, abs=0.0001)
    # 32,768 blocks, of each pack a part's table and a marker, 256 batches; pages of 5,000. Each of
    # 2,587 times that functions look whether to stop, in 12,936 s, is two listings.
    requests = 32_768 + 2 * 2_048 + 256 + (2_097_152 + 2_048 + 512) / 5000 + 2 * 2_587
    told = paid["Blob Storage: Put Block, Put Blob, List"]
    assert told == pytest.approx(requests * 0.055 / 10_000, rel=1e-4)
    # 12,936 s of 4 GB at 85 MB/s, and 25 s of plan and publish.
    assert paid["Functions: memory and time"] == pytest.approx(1.35, abs=0.01)


def test_a_session_of_one_batch_calls_three_times_and_looks_again() -> None:
    """Plan, repack, plan, publish; and one group beside the session."""
    found = scale.scale(TIB // 10_000)
    assert (found.batches, found.activities, found.orchestrations) == (1, 4, 2)
    # Two instances, and five things begun.
    assert found.rows == 2 * 4 + 5 * 4


def test_the_temporary_files_are_the_first_limit() -> None:
    shares = {limit.name: limit.share(scale.scale(5 * TIB)) for limit in scale.LIMITS}
    exceeded = [name for name, share in shares.items() if share > 1]
    assert [name.partition(" of")[0] for name in exceeded] == ["temporary files"]
