"""Whether a container keeps what is deleted, told from a listing of it. No IO.

Only Azure's management says what is set for an account; its effect is listed beside the blobs.
"""

import re
from xml.etree import ElementTree

from core.errors import StoreError
from core.stores.store import Keeping

_DAYS = re.compile(r"\d{1,5}")


def parse_keeping(xml: bytes, location: str) -> Keeping:
    """Read a listing with deleted blobs and versions of the name of a blob just deleted."""
    try:
        root = ElementTree.fromstring(xml.removeprefix(b"\xef\xbb\xbf"))  # noqa: S314
    except ElementTree.ParseError as error:
        raise StoreError(
            f"cannot list {location}: the answer is not a listing of Azure's",
            hint="Look at the endpoint and http_proxy in the configuration.",
        ) from error
    blobs = list(root.iter("Blob"))
    if any(blob.find("VersionId") is not None for blob in blobs):
        return Keeping(is_kept=True)
    days = [_days_of(blob) for blob in blobs if blob.findtext("Deleted") == "true"]
    return Keeping(is_kept=bool(days), days=max(days, default=0))


def _days_of(blob: ElementTree.Element) -> int:
    """Return how many days a deleted blob is still kept, a part of one being one."""
    text = blob.findtext("Properties/RemainingRetentionDays", "")
    return max(1, int(text)) if _DAYS.fullmatch(text) else 1
