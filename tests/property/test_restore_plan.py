"""Laws of a restore's decisions, for all inputs."""

import fnmatch
from collections.abc import Sequence

from hypothesis import assume, given
from hypothesis import strategies as st

from core.errors import InputError
from core.ids import BlobId, Digest
from core.limits import MIB
from core.plan import restore
from core.plan.paths import Selection, display_path, path_problem
from core.plan.restore import Frame, Piece, Place, Target

COMPONENTS = st.binary(min_size=1, max_size=6).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."}
)
PATHS = st.lists(COMPONENTS, min_size=1, max_size=4).map(b"/".join)
PATTERN_TEXT = st.text(st.sampled_from("ab*?[]!-^\\/.é\udcff\n"), max_size=10)


def piece(row: int, blob: int, length: int, place: Place | None) -> Piece:
    target = Target(row=row, path=b"p", modified=0, mode=None, replaces=None)
    blob_id = BlobId(bytes([blob]))
    return Piece(target=target, ordinal=0, offset=0, length=length, blob=blob_id, place=place)


@st.composite
def loose_pieces(draw: st.DrawFn) -> list[Piece]:
    groups = draw(st.lists(st.tuples(st.integers(1, 80), st.integers(1, 2 * MIB)), max_size=30))
    return [
        piece(row, blob, length, None)
        for blob, (count, length) in enumerate(groups)
        for row in range(count)
    ]


@st.composite
def packed_pieces(draw: st.DrawFn) -> list[Piece]:
    keys = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=200))
    places = [
        Place(
            frame=Frame(pack=pack, offset=offset, length=9),
            offset=0,
            length=1,
            digest=Digest(b""),
        )
        for pack, offset in sorted(keys)
    ]
    return [piece(row, 0, 1, place) for row, place in enumerate(places)]


def flat(reads: Sequence[restore.Read]) -> list[Piece]:
    return [piece for read in reads for piece in read.pieces]


@given(loose_pieces())
def test_every_loose_piece_is_read_once_and_in_order(pieces: list[Piece]) -> None:
    reads = list(restore.plan_loose_reads(pieces))
    assert flat(reads) == pieces
    assert list(restore.plan_loose_reads(pieces)) == reads
    for read in reads:
        blobs = {piece.blob: piece.length for piece in read.pieces}
        assert len(blobs) == 1 or sum(blobs.values()) <= restore.LOOSE_READ_SIZE
    # No blob here has enough pieces to be split.
    assert sum(len({piece.blob for piece in read.pieces}) for read in reads) == len(
        {piece.blob for piece in pieces}
    )


@given(packed_pieces())
def test_every_packed_piece_is_read_once_and_every_frame_once(pieces: list[Piece]) -> None:
    reads = list(restore.plan_frame_reads(pieces))
    assert flat(reads) == pieces
    frames = [read.frame for read in reads]
    assert len(frames) == len(set(frames))
    for read in reads:
        assert {piece.place.frame for piece in read.pieces if piece.place} == {read.frame}


@given(PATHS)
def test_a_legal_path_has_no_problem_and_selects_itself_when_escaped(path: bytes) -> None:
    assert path_problem(path) == ""
    text = path.decode(errors="surrogateescape")
    escaped = "".join(f"\\{char}" if char != "/" else char for char in text)
    selection = Selection([escaped])
    assert selection.takes(path)
    assert selection.takes(path + b"/below")
    assert not selection.takes(path + b"x")
    assert selection.unmatched() == ()


@given(st.binary(max_size=40))
def test_no_path_that_could_leave_a_folder_has_no_problem(path: bytes) -> None:
    parts = path.split(b"/")
    is_harmless = b"\0" not in path and not {b"", b".", b".."} & set(parts)
    assert (path_problem(path) == "") == is_harmless


@given(st.binary(max_size=40))
def test_a_shown_path_is_printable(path: bytes) -> None:
    assert display_path(path).isprintable()


@given(PATTERN_TEXT, st.binary(max_size=12))
def test_any_pattern_is_refused_or_decides_about_any_path(pattern: str, path: bytes) -> None:
    try:
        selection = Selection([pattern])
    except InputError:
        return
    assert selection.takes(path) == (selection.unmatched() == ())


@given(
    st.text(st.sampled_from("ab*?.[]!-"), min_size=1, max_size=8),
    st.text(st.sampled_from("ab.-"), min_size=1, max_size=6),
)
def test_within_a_component_a_pattern_agrees_with_another_reader(pattern: str, name: str) -> None:
    assume("**" not in pattern and name not in {".", ".."} and pattern not in {".", ".."})
    try:
        selection = Selection([pattern])
    except InputError:
        # A bracket that is not closed stands for itself there, and is refused here.
        return
    assume(not any(text in pattern for text in ("!]", "[]", "[^")))
    assert selection.takes(name.encode()) == fnmatch.fnmatchcase(name, pattern)
