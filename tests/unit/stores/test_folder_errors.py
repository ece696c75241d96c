"""Each refusal of the operating system says what was tried, where, and what to do."""

import errno
import os

import pytest

from core.errors import ConflictError, StoreError
from core.stores.folder_errors import translated


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "raise the quota"),
        (errno.EFBIG, "free some space"),
        (errno.EACCES, f"the user with the id {os.geteuid()} permission to write /r/a"),
        (errno.EPERM, "permission to write /r/a"),
        (errno.EROFS, "mount it writable"),
        (errno.EIO, "the disk, its cable or the network share"),
        (errno.ESTALE, "the network share"),
        (errno.EXDEV, "on one file system"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "limit of open files"),
        (errno.ENOTDIR, "move it out"),
    ],
)
def test_refusal_names_place_reason_and_remedy(number: int, hint: str) -> None:
    with pytest.raises(StoreError) as caught, translated("write", "/r/a"):
        raise OSError(number, "whatever the locale calls it")
    assert caught.value.message == f"cannot write /r/a: {os.strerror(number)}"
    assert hint in caught.value.hint
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_file_system_without_hard_links_is_named(number: int) -> None:
    with pytest.raises(StoreError) as caught, translated("create", "/r/a"):
        raise OSError(number, "")
    assert "no hard links" in caught.value.hint


def test_unknown_refusal_has_no_hint() -> None:
    with pytest.raises(StoreError, match="/r/a: odd") as caught, translated("read", "/r/a"):
        raise OSError("odd")
    assert caught.value.hint == ""


def test_our_own_errors_pass() -> None:
    with pytest.raises(ConflictError), translated("create", "/r/a"):
        raise ConflictError("first")
