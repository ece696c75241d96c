"""The XML that S3 answers with, read: pages of listings, tags, errors.

Listings are asked for with keys URL-encoded, as XML cannot hold all of them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from core.errors import StoreError
from core.stores.bucket import ListedObject


def parse_listing(
    document: bytes, root: str, place: str
) -> tuple[list[ListedObject], list[str], bool]:
    """Return a page's objects and common prefixes below ``root``, and whether more follow."""
    listing = _parse(document, "ListBucketResult", place)
    space = _namespace(listing)
    is_encoded = listing.findtext(f"{space}EncodingType") == "url"
    decode: Callable[[str], str] = _unquote if is_encoded else str
    contents, shared, cut = f"{space}Contents", f"{space}CommonPrefixes", len(root)
    objects, prefixes = [], []
    try:
        for element in listing:
            if element.tag == contents:
                objects.append(_listed(element, len(space), decode, cut))
            elif element.tag == shared:
                prefixes.append(decode(element[0].text or "")[cut:])
    except (KeyError, IndexError, ValueError):
        raise StoreError(f"cannot list {place}: the store's answer is no listing") from None
    return objects, prefixes, listing.findtext(f"{space}IsTruncated") == "true"


def parse_tags(document: bytes, place: str) -> dict[str, str]:
    """Return an object's tags."""
    root = _parse(document, "Tagging", place)
    space = _namespace(root)
    return {
        tag.findtext(f"{space}Key", ""): tag.findtext(f"{space}Value", "")
        for tag in root.iter(f"{space}Tag")
    }


def parse_error(document: bytes) -> dict[str, str]:
    """Return the parts of an error's document; nothing for a body that is none."""
    try:
        root = _parse(document, "Error", "")
    except StoreError:
        return {}
    size = len(_namespace(root))
    return {element.tag[size:]: element.text or "" for element in root}


def _parse(document: bytes, name: str, place: str) -> ElementTree.Element:
    # Entities, which can make a small document huge, are declared in a DOCTYPE only.
    if b"<!DOCTYPE" not in document:
        try:
            root = ElementTree.fromstring(document)  # noqa: S314
        except ElementTree.ParseError:
            root = None
        if root is not None and root.tag.rpartition("}")[2] == name:
            return root
    raise StoreError(
        f"{place}: the store's answer is not what S3 answers",
        hint="Look at the endpoint in the configuration: something else may answer there.",
    )


def _namespace(root: ElementTree.Element) -> str:
    space, brace, _ = root.tag.rpartition("}")
    return space + brace


def _listed(
    element: ElementTree.Element, skip: int, decode: Callable[[str], str], cut: int
) -> ListedObject:
    parts = {part.tag[skip:]: part.text or "" for part in element}
    return ListedObject(
        key=decode(parts["Key"])[cut:],
        size=int(parts["Size"]),
        etag=parts["ETag"].strip('"'),
        modified=_seconds(parts["LastModified"]),
    )


def _unquote(text: str) -> str:
    # Most keys are plain but for their slashes; the full decoding takes as long as all the rest.
    plain = text.replace("%2F", "/")
    if "%" not in plain and "+" not in plain:
        return plain
    return unquote_plus(text, errors="surrogateescape")


@lru_cache(maxsize=1024)
def _seconds(text: str) -> int:
    """Return whole seconds since the epoch of 2026-01-31T10:20:30.123Z."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)
