"""Reading exactly the bytes that were asked for, from stores that give what there is of them."""

from collections.abc import Callable

from core.errors import IntegrityError


def read_exactly(
    location: str,
    offset: int,
    length: int,
    *,
    read: Callable[[], bytes],
    find_size: Callable[[], int],
) -> bytes:
    """Return these bytes of an object; ``IntegrityError`` if it ends before them.

    ``read`` returns what there is of them. A range of no bytes has no request: there ``find_size``
    says whether the object reaches so far.
    """
    if offset < 0 or length <= 0:
        size = find_size()
        if length or not 0 <= offset <= size:
            raise short(location, size, offset, length)
        return b""
    data = read()
    if len(data) != length:
        raise short(location, find_size(), offset, length)
    return data


def short(location: str, size: int, offset: int, length: int) -> IntegrityError:
    """Return the error for an object that ends too early."""
    return IntegrityError(
        f"{location} has {size} bytes and not the {length} at {offset} that should be there"
    )
