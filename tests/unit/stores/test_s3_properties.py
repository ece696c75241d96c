"""Properties survive S3's headers."""

import pytest

from core.errors import InputError
from core.stores.bucket import Properties
from core.stores.s3_errors import Request
from core.stores.s3_properties import has_tags, read_properties, write_parameters

REQUEST = Request(
    doing="write",
    location="s3://b/a",
    permission="s3:PutObject",
    bucket="b",
    resource="arn:aws:s3:::b/*",
    items=("the key",),
)


def headers(**values: str) -> dict[str, str]:
    return {name.replace("_", "-").lower(): value for name, value in values.items()}


def test_headers_become_properties() -> None:
    found = headers(
        Content_Type="text/plain",
        Content_Encoding="gzip",
        Content_Language="de",
        Content_Disposition="inline",
        Cache_Control="no-cache",
        X_Amz_Meta_Some_Name="value",
        X_Amz_Request_Id="1",
    )
    assert read_properties(found, {"t": "1"}) == Properties(
        content_type="text/plain",
        content_encoding="gzip",
        content_language="de",
        content_disposition="inline",
        cache_control="no-cache",
        metadata={"some-name": "value"},
        tags={"t": "1"},
    )


def test_how_an_upload_was_sent_is_no_encoding_of_the_object() -> None:
    for stored, expected in (
        ("aws-chunked", ""), ("gzip,aws-chunked", "gzip"), ("gzip, br", "gzip, br"),
    ):  # fmt: skip
        assert read_properties(headers(Content_Encoding=stored), {}).content_encoding == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=?UTF-8?B?Z3LDvG4=?=", "grün"),
        ("=?UTF-8?Q?gr=C3=BCn?=", "grün"),
        ("=?UTF-8?B?Z3LDvG4=?= =?UTF-8?B?IQ==?=", "grün!"),
        ("grün".encode().decode("latin-1"), "grün"),
        ("gr\xfcn", "gr\xfcn"),
        ("=?no-such-set?B?Z3LDvG4=?=", "=?no-such-set?B?Z3LDvG4=?="),
        ("1 =? 2", "1 =? 2"),
        ("=?utf-8?b?abcde?=", "=?utf-8?b?abcde?="),
        ("=?utf-7?q?+2AA-?=", "=?utf-7?q?+2AA-?="),
        (r"=?unicode_escape?q?\ud800?=", r"=?unicode_escape?q?\ud800?="),
    ],
)
def test_values_beyond_ascii_are_read(value: str, expected: str) -> None:
    assert read_properties(headers(x_amz_meta_name=value), {}).metadata == {"name": expected}


@pytest.mark.parametrize("value", ["plain", "grün", "a\nb", "😀", "", "a  b"])
def test_values_survive(value: str) -> None:
    parameters = write_parameters(Properties(metadata={"name": value}), REQUEST)
    sent = parameters["Metadata"]["name"]
    assert sent.isascii()
    assert sent.isprintable()
    assert read_properties(headers(x_amz_meta_name=sent), {}).metadata == {"name": value}


def test_system_headers_are_kept_as_they_stand() -> None:
    name = 'attachment; filename="=?UTF-8?B?w6QudHh0?="'
    found = read_properties(headers(content_disposition=name), {})
    assert found.content_disposition == name
    assert write_parameters(found, REQUEST) == {"ContentDisposition": name}
    found = read_properties(headers(content_disposition="grün".encode().decode("latin-1")), {})
    assert found.content_disposition == "grün"
    with pytest.raises(InputError, match="s3://b/a has a Content-Disposition"):
        write_parameters(found, REQUEST)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="s3://b/a has metadata"):
        write_parameters(Properties(metadata={"name": "\ud800"}), REQUEST)


def test_only_what_there_is_is_sent() -> None:
    assert write_parameters(Properties(), REQUEST) == {}
    properties = Properties(content_type="text/plain", tags={"a b": "c&d", "e": ""})
    assert write_parameters(properties, REQUEST) == {
        "ContentType": "text/plain", "Tagging": "a+b=c%26d&e=",
    }  # fmt: skip


def test_names_that_no_header_can_have_are_refused() -> None:
    with pytest.raises(InputError, match="metadata of names") as caught:
        write_parameters(Properties(metadata={"a b": "", "ü": "", "fine": ""}), REQUEST)
    assert caught.value.items == ("the key", "metadata 'a b'", "metadata 'ü'")


def test_the_number_of_tags_says_whether_there_are_any() -> None:
    assert has_tags(headers(x_amz_tagging_count="2"))
    assert not has_tags(headers(x_amz_tagging_count="0"))
    assert not has_tags(headers())
