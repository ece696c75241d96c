"""Sizes, counts, times and names as people read them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def show_size(size: float) -> str:
    """Write a number of bytes: ``1.4 GiB``."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    if unit == 0:
        return "1 byte" if size == 1 else f"{int(size)} bytes"
    return f"{size:.{_decimals(size)}f} {_UNITS[unit]}"


def _decimals(size: float) -> int:
    return 2 if size < 9.995 else 1 if size < 99.95 else 0


def show_rate(size: float, seconds: float) -> str:
    """Write a rate: ``120 MiB/s``; empty when nothing can be said."""
    return f"{show_size(size / seconds)}/s" if seconds > 0 and size > 0 else ""


def show_count(count: int, singular: str, plural: str = "") -> str:
    """Write a count with its noun: ``1 item``, ``12,345 items``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def show_duration(seconds: float) -> str:
    """Write a duration with its two largest units: ``3 min 20 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def show_time(moment: datetime) -> str:
    """Write a moment of UTC to the second."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def show_path(path: bytes) -> str:
    """Write a path so that it cannot harm a terminal or break a line, and stays unambiguous.

    A path of printable UTF-8 is itself. In any other, what is not printable is escaped as in
    Python's byte strings and text, and so is the backslash.
    """
    text = path.decode(errors="surrogateescape")
    if text.isprintable() and not text.startswith('"'):
        return text
    return f'"{"".join(_escape(character) for character in text)}"'


def show_text(text: str) -> str:
    """Write a text that comes from elsewhere on one line, free of control characters."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character in {'"', "\\"}:
        return f"\\{character}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def path_fields(path: bytes) -> dict[str, str]:
    """Return the JSON fields of a path: ``path_hex`` is there when ``path`` is not exact.

    ``path`` is the path itself where it is UTF-8. Elsewhere it is for people only and
    ``path_hex`` has the bytes.
    """
    try:
        return {"path": path.decode()}
    except UnicodeDecodeError:
        return {"path": show_path(path), "path_hex": path.hex()}


def nanosecond_time(modified: int) -> str:
    """Write nanoseconds since the epoch as ISO 8601 in UTC, with all nine digits."""
    seconds, nanoseconds = divmod(modified, 1_000_000_000)
    moment = _EPOCH + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}+00:00"
