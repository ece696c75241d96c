"""Names survive the way from vendor to vendor, and what Azure would change is refused."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import InputError
from core.stores.azure_names import (
    TAGS_MAX,
    check_writable,
    decode_metadata,
    decode_metadata_name,
    encode_metadata,
    encode_metadata_name,
    is_plain,
)
from core.stores.bucket import Properties

# What HTTP allows in a header's name, in lower case as S3 keeps it.
TOKEN = st.text("abcdefx0123456789_-.!#$%&'*+^`|~", min_size=1, max_size=24)
# Texts that look like escapes.
NEARLY = st.lists(
    st.sampled_from(["_", "x", "_x002d_", "002d", "_x005f_", "_x0061_", "_x0031_", "-", "1", "a"]),
    min_size=1, max_size=8,
).map("".join)  # fmt: skip
IDENTIFIER = st.from_regex(r"[a-z_][a-z0-9_]{0,24}", fullmatch=True)


@given(TOKEN | NEARLY)
@example("_x002d-")
@example("_x005f_x002d_")
def test_every_name_of_s3_survives_as_an_identifier(name: str) -> None:
    encoded = encode_metadata_name(name)
    assert encoded.isidentifier()
    assert encoded.isascii()
    assert decode_metadata_name(encoded) == name


@given(IDENTIFIER | NEARLY.filter(str.isidentifier))
@example("_x0061_")
def test_every_name_of_azure_survives_as_one_of_s3(name: str) -> None:
    assert encode_metadata_name(decode_metadata_name(name)) == name


def test_a_name_is_written_as_dotnet_writes_it() -> None:
    written = {"x-y": "1", "plain": "2", "1st": "3", "a_b": "4", "_x002d_": "5"}
    expected = {
        "x_x002d_y": "1", "plain": "2", "_x0031_st": "3", "a_b": "4", "_x005f_x002d_": "5"
    }  # fmt: skip
    assert encode_metadata(written) == expected
    assert decode_metadata(expected) == written


def test_the_case_of_azures_names_has_no_meaning() -> None:
    assert decode_metadata({"Project_x002D_Id": "A"}) == {"project-id": "A"}


@pytest.mark.parametrize(
    ("name", "properties", "words"),
    [
        ("a\\b", Properties(), "backslash"),
        ("a/../b", Properties(), "'..'"),
        ("./a", Properties(), "'.'"),
        ("a\nb", Properties(), "cannot list"),
        ("a\x01", Properties(), "cannot list"),
        ("n" * 1025, Properties(), "1024"),
        ("a", Properties(tags={str(each): "" for each in range(TAGS_MAX + 1)}), "11 tags"),
        ("a", Properties(tags={"a@b": ""}), "a tag has"),
        ("a", Properties(tags={"a": "ü"}), "a tag has"),
        ("a", Properties(tags={"a": "v" * 257}), "a tag has"),
        ("a", Properties(metadata={"place": "Köln"}), "its metadata is not ASCII"),
    ],
)
def test_what_azure_would_change_is_refused_and_named(
    name: str, properties: Properties, words: str
) -> None:
    with pytest.raises(InputError, match=r"^az://c/\.\.\. cannot be written") as caught:
        check_writable("az://c/...", "the key", name, properties)
    assert words in caught.value.problems[0]
    assert caught.value.items[0] == "the key"
    assert caught.value.hint


def test_all_findings_come_at_once() -> None:
    tags = {str(each): "ü" for each in range(11)}
    with pytest.raises(InputError) as caught:
        check_writable("az://c/...", "b", "a\\b", Properties(tags=tags, metadata={"place": "Köln"}))
    assert len(caught.value.problems) == 4
    assert "Köln" not in str(caught.value.problems)
    key, metadata, *unfit = caught.value.items
    assert (key, metadata) == ("b", "metadata 'place'")
    assert unfit == [f"tag '{each}'" for each in range(11)]


def test_allowed_names_and_tags_pass() -> None:
    tags = {f"a.b/c:d=e_f+g-h {each}": "v" * 256 for each in range(TAGS_MAX)}
    for name in (
        "a",
        "a b",
        "a//b",
        "a/",
        "/a",
        "%2e",
        "a?b#c",
        "ü",
        "😀",
        "a.b",
        "...",
        "n" * 1024,
    ):
        check_writable("az://c/...", "a", name, Properties(tags=tags, metadata={"x-y": "1"}))


@pytest.mark.parametrize("name", ["a//b", "/a", "a/", "a/./b", "..", "a\\b", "a\nb", "a\x7fb"])
def test_what_obstore_would_normalise_is_not_plain(name: str) -> None:
    assert not is_plain(name)


@pytest.mark.parametrize("name", ["a", "a/b", "a b", "%2e%2e", "a?b", "ü/😀", "...", "~"])
def test_what_obstore_takes_as_it_stands_is_plain(name: str) -> None:
    assert is_plain(name)
