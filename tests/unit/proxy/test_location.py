"""URLs of repositories, and folders that are in each other's way."""

from pathlib import Path

import pytest

from core.errors import InputError
from core.stores.folder import FolderStore
from proxy.location import parse_url, relation, url_folder


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file:///srv/vault", "file:///srv/vault"),
        ("file:///srv/vault/", "file:///srv/vault"),
        ("file:///srv/./a/../vault", "file:///srv/vault"),
        ("file:////srv//vault", "file:///srv/vault"),
        ("file:///srv/two words", "file:///srv/two%20words"),
        ("file:///srv/two%20words", "file:///srv/two%20words"),
        ("file:///srv/50%25", "file:///srv/50%25"),
        ("file:///srv/gr%C3%BC%C3%9Fe", "file:///srv/gr%C3%BC%C3%9Fe"),
    ],
)
def test_a_url_has_one_form(text: str, expected: str) -> None:
    assert parse_url(text) == expected
    assert parse_url(expected) == expected


def test_the_store_writes_urls_in_the_same_form() -> None:
    for text in ("file:///srv/two words", "file:///srv/a~b$c'd(e)"):
        url = parse_url(text)
        assert FolderStore.open(url).url == url


def test_a_folder_of_any_bytes_survives_its_url() -> None:
    assert url_folder(parse_url("file:///srv/%FF")) == Path("/srv/\udcff")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/srv/vault", "not a URL"),
        ("vault", "not a URL"),
        ("", "not a URL"),
        ("file:/srv/vault", "not a URL"),
        ("file://srv/vault", "a host"),
        ("file://", "names no folder"),
        ("file:///", "names no folder"),
        ("file:///..", "names no folder"),
        ("file:///srv/a?b", "'?'"),
        ("file:///srv/a#b", "'#'"),
        ("file:///srv/%00", "NUL"),
        ("ftp://srv/vault", "not a kind of store"),
        ("s3://bucket/prefix", "comes with a later release"),
        ("az://container/prefix", "comes with a later release"),
    ],
)
def test_another_url_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_url(text)
    assert said in caught.value.message
    assert caught.value.hint


def test_folders_are_the_same_inside_around_or_apart(tmp_path: Path) -> None:
    assert relation(tmp_path / "a", tmp_path / "a") == "same"
    assert relation(tmp_path / "a" / "b", tmp_path / "a") == "inside"
    assert relation(tmp_path / "a", tmp_path / "a" / "b") == "around"
    assert relation(tmp_path / "a", tmp_path / "ab") == ""


def test_links_are_followed_before_folders_are_compared(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert relation(tmp_path / "link", tmp_path / "real") == "same"
    assert relation(tmp_path / "link" / "new", tmp_path / "real") == "inside"
