"""URLs of repositories, and folders that are in each other's way."""

from pathlib import Path

import pytest

from core.errors import InputError
from core.stores.folder import FolderStore
from proxy.location import Place, folder_url, parse_url, relation, url_folder


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
        ("s3://backups", "s3://backups"),
        ("s3://backups/", "s3://backups"),
        ("s3://backups/a/b/", "s3://backups/a/b"),
        ("az://backups/two words%20", "az://backups/two words%20"),
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
        ("s3://", "cannot be the name of a bucket"),
        ("s3://UPPER/x", "cannot be the name of a bucket"),
        ("az://a--b/x", "cannot be the name of a container"),
        ("s3://key:secret@bucket/x", "before the first slash"),
        ("az://container?sig=x", "'?'"),
        ("s3://bucket/a#b", "'?' or '#'"),
        ("s3://bucket/a//b", "empty, '.' or '..'"),
        ("s3://bucket/../b", "empty, '.' or '..'"),
        ("s3://bucket/a\nb", "cannot be printed"),
        ("s3://bucket/" + "x" * 513, "longer than 512 bytes"),
    ],
)
def test_another_url_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_url(text)
    assert said in caught.value.message
    assert caught.value.hint


def folder(path: Path) -> Place:
    return Place(url=folder_url(path))


def test_folders_are_the_same_inside_around_or_apart(tmp_path: Path) -> None:
    assert relation(folder(tmp_path / "a"), folder(tmp_path / "a")) == "same"
    assert relation(folder(tmp_path / "a" / "b"), folder(tmp_path / "a")) == "inside"
    assert relation(folder(tmp_path / "a"), folder(tmp_path / "a" / "b")) == "around"
    assert relation(folder(tmp_path / "a"), folder(tmp_path / "ab")) == ""


def test_links_are_followed_before_folders_are_compared(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert relation(folder(tmp_path / "link"), folder(tmp_path / "real")) == "same"
    assert relation(folder(tmp_path / "link" / "new"), folder(tmp_path / "real")) == "inside"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("s3://bucket/a", "s3://bucket/a", "same"),
        ("s3://bucket/a/b", "s3://bucket/a", "inside"),
        ("s3://bucket", "s3://bucket/a/b", "around"),
        ("s3://bucket/a", "s3://bucket/ab", ""),
        ("s3://bucket/a", "s3://bucket/b", ""),
        ("s3://bucket/a", "s3://other/a", ""),
        ("s3://bucket/a", "az://bucket/a", ""),
        ("s3://bucket/a", "file:///bucket/a", ""),
    ],
)
def test_prefixes_are_compared_part_by_part(one: str, other: str, expected: str) -> None:
    assert relation(Place(url=one), Place(url=other)) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("", "", "same"),
        ("", "https://s3.eu-west-1.amazonaws.com", "same"),
        ("https://minio.example", "https://minio.example", "same"),
        ("https://minio.example", "https://other.example", ""),
        ("", "https://minio.example", ""),
    ],
)
def test_a_bucket_is_another_one_in_another_account(one: str, other: str, expected: str) -> None:
    places = [Place(url="s3://bucket/a", endpoint=endpoint) for endpoint in (one, other)]
    assert relation(*places) == expected


def test_a_place_is_shown_as_people_write_it() -> None:
    assert Place(url="file:///srv/two%20words").shown == "/srv/two words"
    assert Place(url="s3://bucket/a").shown == "s3://bucket/a"
