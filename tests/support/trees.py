"""Folder trees: hostile ones to back up, and the comparison of two trees to the last byte.

Names are bytes. Content follows from the path, so two builders make equal trees.
"""

import os
import random
import shutil
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.limits import BLOB_SIZE_MAX, MIB

# Names that programs trip over; all of them are legal.
ODD_NAMES = (
    b"plain.txt",
    b" leading and trailing space ",
    b"-rf",
    b"--to=elsewhere",
    b"...",
    b"new\nline",
    b"tab\tand\rreturn",
    b'quo\'te "double" `tick` $(echo) ;&|',
    b"star*[a-z]?{b,c}",
    b"back\\slash",
    b"comma,semicolon;percent%41%00",
    b"\x01control\x7f",
    b"escape\x1b[31m",
    b"\xff\xfe invalid UTF-8 \x80",
    b"half a character \xe2\x82",
    "Grüße, 日本語, 🧊".encode(),
    # The same text twice for the eye: composed and decomposed.
    "\u00e9".encode(),
    "e\u0301".encode(),
    b"CASE",
    b"Case",
    b"case",
    b"NULL",
    b"None",
    b"CON",
    b"x" * 255,
    "ü".encode() * 127 + b"y",
)

# Around every place where content is cut, and where nothing is.
LARGE_SIZES = (BLOB_SIZE_MAX - 1, BLOB_SIZE_MAX, BLOB_SIZE_MAX + 1, 20 * MIB)
SMALL_SIZES = (0, 1, 2, 511, 4_096, 65_537)

FILE_MODES = (0o400, 0o600, 0o644, 0o755, 0o777, 0o444, 0o4755, 0o2755, 0o1644)
FOLDER_MODES = (0o700, 0o755, 0o777, 0o1777, 0o2755, 0o555)

# Nanoseconds: with all digits, the epoch, before it, and after the end of 32-bit seconds.
MODIFIED = (
    1_700_000_000_123_456_789,
    1_000_000_000_000_000_001,
    0,
    1,
    -1,
    -86_400_000_000_001,
    4_102_444_800_999_999_999,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a tree, content and all."""

    kind: str
    mode: int = 0
    modified: int = 0
    target: bytes = b""
    content: bytes = b""


def make_tree(root: Path, files: Mapping[str, bytes] | Mapping[bytes, bytes]) -> None:
    """Make files with this content, and the folders they need."""
    for path, content in files.items():
        full = os.path.join(os.fsencode(root), os.fsencode(path))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        _write(full, content)


def make_hostile_tree(root: Path, *, has_large: bool = True) -> None:
    """Make a tree of everything that a backup has to bring back, whoever runs it.

    ``has_large`` adds four files around and above the size at which content is cut (44 MiB).
    """
    top = os.fsencode(root)
    os.makedirs(top, exist_ok=True)
    _make_odd_names(top)
    _make_sizes(top, (*SMALL_SIZES, *LARGE_SIZES) if has_large else SMALL_SIZES)
    _make_links(top)
    _make_folders(top)
    _make_modes_and_times(top)


def make_special_files(root: Path) -> set[bytes]:
    """Make what no backup can read, as far as this user may; return the paths."""
    top = os.fsencode(root)
    os.makedirs(top, exist_ok=True)
    os.mkfifo(os.path.join(top, b"fifo"))
    # A socket's address is short, so it is bound from inside its folder.
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        listener.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
    made = {b"fifo", b"socket"}
    if os.geteuid() == 0:
        try:
            os.mknod(os.path.join(top, b"device"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
            made.add(b"device")
        except PermissionError:
            # A container may keep even its root from making devices.
            return made
    return made


def content_of(path: bytes, size: int) -> bytes:
    """Return bytes that follow from path and size: a part compresses, a part does not."""
    chance = random.Random(path + size.to_bytes(8, "big"))
    noise = chance.randbytes(min(size, 64 * 1024))
    text = (b"line %d of " % chance.randrange(1 << 30) + path.hex().encode() + b"\n") * 512
    block = noise + text
    return (block * (size // len(block) + 1))[:size]


def copy_tree(source: Path, target: Path) -> None:
    """Make an exact copy: links as links, modes and times to the nanosecond."""
    shutil.copytree(source, target, symlinks=True)
    for path, entry in read_tree(source).items():
        if entry.kind == "link":
            full = os.path.join(os.fsencode(target), path)
            os.utime(full, ns=(entry.modified, entry.modified), follow_symlinks=False)


def read_tree(root: Path) -> dict[bytes, Entry]:
    """Return all that is below ``root``, by path; the root itself is not part of it."""
    return {path: _read(full) for path, full in _walk(os.fsencode(root), b"")}


def compare_trees(first: Path, second: Path) -> list[str]:
    """Return how two trees differ: paths, kinds, modes, times (ns), link targets, content.

    Empty when they are equal. The roots themselves are not compared.
    """
    ours, theirs = read_tree(first), read_tree(second)
    differences = [f"{path!r} is only in {first}" for path in sorted(ours.keys() - theirs.keys())]
    differences += [f"{path!r} is only in {second}" for path in sorted(theirs.keys() - ours.keys())]
    for path in sorted(ours.keys() & theirs.keys()):
        differences += [f"{path!r}: {text}" for text in _compare(ours[path], theirs[path])]
    return differences


def _compare(ours: Entry, theirs: Entry) -> Iterator[str]:
    if ours.kind != theirs.kind:
        yield f"a {ours.kind} here, a {theirs.kind} there"
        return
    if ours.mode != theirs.mode:
        yield f"mode {ours.mode:04o} here, {theirs.mode:04o} there"
    if ours.modified != theirs.modified:
        yield f"modified {ours.modified} here, {theirs.modified} there"
    if ours.target != theirs.target:
        yield f"leads to {ours.target!r} here, to {theirs.target!r} there"
    if len(ours.content) != len(theirs.content):
        yield f"{len(ours.content)} bytes here, {len(theirs.content)} there"
    elif ours.content != theirs.content:
        pairs = enumerate(zip(ours.content, theirs.content, strict=True))
        yield f"differs from byte {next(n for n, (a, b) in pairs if a != b)}"


def _walk(root: bytes, path: bytes) -> Iterator[tuple[bytes, bytes]]:
    for name in sorted(os.listdir(os.path.join(root, path))):
        below = os.path.join(path, name)
        full = os.path.join(root, below)
        yield below, full
        if stat.S_ISDIR(os.lstat(full).st_mode):
            yield from _walk(root, below)


def _read(full: bytes) -> Entry:
    status = os.lstat(full)
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry("link", mode, status.st_mtime_ns, target=os.readlink(full))
    if stat.S_ISDIR(status.st_mode):
        return Entry("folder", mode, status.st_mtime_ns)
    if stat.S_ISREG(status.st_mode):
        with open(full, "rb") as file:
            return Entry("file", mode, status.st_mtime_ns, content=file.read())
    return Entry("special file", mode, status.st_mtime_ns)


def _write(full: bytes, content: bytes) -> None:
    with open(full, "wb") as file:
        file.write(content)


def _make_odd_names(top: bytes) -> None:
    for name in ODD_NAMES:
        path = os.path.join(b"names", name)
        os.makedirs(os.path.join(top, path), exist_ok=True)
        _write(os.path.join(top, path, name), content_of(path, 100))
    deep = os.path.join(b"deep", *[b"%03d" % number for number in range(60)])
    os.makedirs(os.path.join(top, deep))
    _write(os.path.join(top, deep, b"bottom"), b"here")


def _make_sizes(top: bytes, sizes: tuple[int, ...]) -> None:
    os.makedirs(os.path.join(top, b"sizes"))
    for size in sizes:
        path = b"sizes/%d" % size
        _write(os.path.join(top, path), content_of(path, size))
    # Equal content is one blob, and zeros are content.
    _write(os.path.join(top, b"sizes/twin"), content_of(b"sizes/511", 511))
    _write(os.path.join(top, b"sizes/zeros"), bytes(100_000))
    with open(os.path.join(top, b"sizes/sparse"), "wb") as file:
        file.truncate(1 << 20)


def _make_links(top: bytes) -> None:
    os.makedirs(os.path.join(top, b"links/folder"))
    _write(os.path.join(top, b"links/file"), b"linked")
    targets = {
        b"to-file": b"file",
        b"to-folder": b"folder",
        b"dangling": b"nowhere/at all",
        b"outside": b"../../../../../etc/passwd",
        b"absolute": b"/etc/passwd",
        b"to-itself": b"to-itself",
        b"to-parent": b"..",
        b"odd\xff": b"\xfe\n target",
        b"long": b"x" * 255 + b"/" + b"y" * 255,
        b"folder/up": b"../folder",
    }
    for name, target in targets.items():
        os.symlink(target, os.path.join(top, b"links", name))
    os.link(os.path.join(top, b"links/file"), os.path.join(top, b"links/hard"))


def _make_folders(top: bytes) -> None:
    for path in (b"empty", b"nested/empty/folders", b"nested/\xff"):
        os.makedirs(os.path.join(top, path))


def _make_modes_and_times(top: bytes) -> None:
    os.makedirs(os.path.join(top, b"modes"))
    for mode in FILE_MODES:
        path = os.path.join(top, b"modes/file-%04o" % mode)
        _write(path, b"%o" % mode)
        os.chmod(path, mode)
    for mode in FOLDER_MODES:
        path = os.path.join(top, b"modes/folder-%04o" % mode)
        os.mkdir(path)
        _write(os.path.join(path, b"inside"), b"%o" % mode)
        os.chmod(path, mode)
    everything = [full for _, full in _walk(top, b"")]
    # Deepest first: making a thing changes the time of the folder it is in, setting times not.
    for number, full in enumerate(reversed(everything)):
        modified = MODIFIED[number % len(MODIFIED)]
        os.utime(full, ns=(modified, modified), follow_symlinks=False)
