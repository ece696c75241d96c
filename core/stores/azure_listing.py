"""One page of a container's listing: Azure's XML in, values out. No IO."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.parsers import expat

from core.errors import StoreError

# Stands for a moment that a listing does not tell.
UNTOLD = datetime.fromtimestamp(0, UTC)


@dataclass(slots=True, kw_only=True)
class ListedBlob:
    """What a listing says of a blob, under its full name. ``md5`` is base64, as Azure writes it.

    ``modified`` may be ``UNTOLD`` where there are staged blocks and no blob.
    """

    name: str = ""
    size: int = 0
    etag: str = ""
    modified: datetime = UNTOLD
    md5: str = ""
    tier: str = ""
    has_tags: bool = False
    is_folder: bool = False


@dataclass(slots=True, kw_only=True)
class Page:
    """The blobs and common prefixes of a page; ``marker`` begins the next one, empty at the end."""

    blobs: list[ListedBlob] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    marker: str = ""


class _Reader:
    """Collects a page from the events of a parser."""

    def __init__(self) -> None:
        self.page = Page()
        self._is_listing = False
        self._blob: ListedBlob | None = None
        self._is_prefix = False
        self._is_encoded = False
        self._text: list[str] = []

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        self._text = []
        if not self._is_listing and tag != "EnumerationResults":
            # A network's own page would otherwise be a container without blobs.
            raise ValueError(tag)
        self._is_listing = True
        if tag == "Blob":
            self._blob = ListedBlob()
        elif tag == "BlobPrefix":
            self._is_prefix = True
        elif tag == "Name":
            self._is_encoded = attributes.get("Encoded") == "true"

    def take(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        text = "".join(self._text)
        self._text = []
        if tag == "Name":
            self._name(unquote(text) if self._is_encoded else text)
        elif tag == "NextMarker":
            self.page.marker = text
        elif tag == "BlobPrefix":
            self._is_prefix = False
        elif self._blob is None:
            return
        elif tag == "Blob":
            if not self._blob.is_folder:
                self.page.blobs.append(self._blob)
            self._blob = None
        else:
            _set(self._blob, tag, text)

    def _name(self, name: str) -> None:
        if self._blob is not None:
            self._blob.name = name
        elif self._is_prefix:
            self.page.prefixes.append(name)


def _set(blob: ListedBlob, tag: str, text: str) -> None:
    if tag == "Content-Length":
        blob.size = int(text)
    elif tag == "Etag":
        blob.etag = text.strip('"')
    elif tag == "Last-Modified":
        blob.modified = _parse_moment(text)
    elif tag == "Content-MD5":
        blob.md5 = text
    elif tag == "AccessTier":
        blob.tier = text
    elif tag == "TagCount":
        blob.has_tags = text != "0"
    elif tag == "ResourceType":
        # A container with a hierarchical namespace lists its folders too: they hold no data.
        blob.is_folder = text == "directory"


_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


def _parse_moment(text: str) -> datetime:
    """Read "Wed, 25 Nov 2026 14:10:34 GMT", the one form that HTTP has; there are millions."""
    try:
        return datetime(
            int(text[12:16]), _MONTHS[text[8:11]], int(text[5:7]),
            int(text[17:19]), int(text[20:22]), int(text[23:25]), tzinfo=UTC,
        )  # fmt: skip
    except (KeyError, ValueError):
        return parsedate_to_datetime(text).astimezone(UTC)


def parse_page(xml: bytes, location: str) -> Page:
    """Read a page, or raise ``StoreError`` if it is none."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.take
    try:
        # Azure writes UTF-8 and may begin with a byte order mark.
        parser.Parse(xml.removeprefix(b"\xef\xbb\xbf"), True)
    except (expat.ExpatError, ValueError) as error:
        raise StoreError(
            f"cannot list {location}: the answer is not a listing of Azure's",
            hint="Look at the endpoint and http_proxy in the configuration.",
        ) from error
    return reader.page
