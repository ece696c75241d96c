"""What was skipped is said in words, bounded in memory, and can be read again."""

import errno
from pathlib import Path

import pytest

from core import ids
from core.engine.skipped import (
    REPLACED,
    VANISHED,
    SkipList,
    SkippedItem,
    UnreadableError,
    read_skipped,
    reading,
    reason_of,
    skipped_name,
    store_skipped,
)
from core.errors import StoreError
from core.limits import SKIPPED_SIZE_MAX
from tests.support.repositories import SECRET, new_repository
from tests.support.trees import ODD_NAMES

REASONS = {
    errno.ENOENT: VANISHED,
    errno.ESTALE: VANISHED,
    errno.ELOOP: REPLACED,
    errno.ENOTDIR: REPLACED,
    errno.ENXIO: REPLACED,
    errno.EACCES: "cannot be read: Permission denied",
    errno.EPERM: "cannot be read: Operation not permitted",
    errno.EIO: "cannot be read: Input/output error",
}


@pytest.mark.parametrize(("number", "reason"), REASONS.items(), ids=errno.errorcode.get)
def test_every_reason_is_said_in_words_and_names_no_item(number: int, reason: str) -> None:
    assert reason_of(OSError(number, "", "/secret/name")) == reason
    with pytest.raises(UnreadableError, match=reason), reading():
        raise OSError(number, "", "/secret/name")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_is_not_the_items_fault_skips_no_item(number: int) -> None:
    with pytest.raises(StoreError) as raised, reading():
        raise OSError(number, "", "/secret/name")
    assert raised.value.hint
    assert "secret" not in raised.value.message


def test_the_list_is_bounded_and_the_count_is_not() -> None:
    skips = SkipList()
    path = b"x" * 60_000
    many = SKIPPED_SIZE_MAX // len(path)
    for _ in range(many):
        skips.add(path, VANISHED)
    assert skips.count == many
    assert 0 < sum(2 * len(item.path) for item in skips.items) <= SKIPPED_SIZE_MAX


@pytest.mark.parametrize("secret", [None, SECRET])
def test_a_stored_list_comes_back_with_any_name(tmp_path: Path, secret: str | None) -> None:
    repository = new_repository(tmp_path, secret)
    session_id = ids.new_session_id()
    items = tuple(
        SkippedItem(path=path, reason=REPLACED, left_out_count=number)
        for number, path in enumerate(ODD_NAMES)
    )
    store_skipped(repository, session_id, len(items), items)
    assert read_skipped(repository, session_id) == items
    stored = repository.store.get(skipped_name(session_id))
    assert (REPLACED.encode() in stored) is False, "compressed, and sealed where there are keys"


def test_no_list_means_nothing_was_skipped(tmp_path: Path) -> None:
    assert read_skipped(new_repository(tmp_path), ids.new_session_id()) == ()
