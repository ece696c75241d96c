"""What a command says: tables and sentences for people, or one JSON object for programs.

The answer goes to stdout, everything said on the way to stderr. In JSON stdout carries exactly
one object, whatever happens.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.errors import StoreError
from proxy.wording import show_text

# Texts are shown as they stand: rich would read "[x]" as a style and ":secret:" as a picture.
_PLAIN: Mapping[str, Any] = {"markup": False, "highlight": False, "emoji": False}
# Where no terminal limits it, a row is one line however long it is.
_WIDTH_UNLIMITED = 10_000
# Rows of a stream that wait in memory before they wait in a temporary file.
_SPOOL_SIZE = 8 << 20

Document = Mapping[str, Any]


class _Answers(Console):
    """Lets ``exits`` decide what a reader that left means; Rich would end the process."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class _Errors(Console):
    """Goes silent when nobody reads stderr any more: the work goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


class Output:
    """Says what a command found. ``is_json`` chooses for whom."""

    def __init__(self, *, is_json: bool) -> None:
        """Speak to this process's stdout and stderr."""
        self.is_json = is_json
        self.errors = _Errors(stderr=True, soft_wrap=True, **_PLAIN)

    def show(self, document: Document, *human: Table | str) -> None:
        """Print an answer: the document, or what people read instead."""
        if self.is_json:
            with _stdout() as stdout:
                stdout.write(json.dumps(document, indent=2) + "\n")
            return
        with _stdout() as stdout:
            width = None if stdout.isatty() else _WIDTH_UNLIMITED
            console = _Answers(file=stdout, width=width, **_PLAIN)
            for part in human:
                console.print(part, soft_wrap=isinstance(part, str))

    def stream(
        self, document: Document, key: str, rows: Iterable[Document], human: Iterable[str]
    ) -> None:
        """Print an answer that ends in a list of any length, in little memory.

        ``rows`` and ``human`` are alternatives; only one is iterated. Nothing of the object is
        printed before the last row is known: an error on the way leaves stdout to itself.
        """
        if self.is_json:
            self._stream_json(document, key, rows)
            return
        with _stdout() as stdout:
            for line in human:
                stdout.write(line + "\n")

    def _stream_json(self, document: Document, key: str, rows: Iterable[Document]) -> None:
        with tempfile.SpooledTemporaryFile(_SPOOL_SIZE, "w+", encoding="ascii") as spool:
            separator = "\n"
            for row in rows:
                spool.write(f"{separator}    {json.dumps(row)}")
                separator = ",\n"
            spool.seek(0)
            head = json.dumps(document, indent=2).removesuffix("}").rstrip()
            comma = "," if document else ""
            with _stdout() as stdout:
                stdout.write(f"{head}{comma}\n  {json.dumps(key)}: [")
                shutil.copyfileobj(spool, stdout, 1 << 20)
                stdout.write("\n  ]\n}\n" if separator == ",\n" else "]\n}\n")

    def say(self, text: str, style: str = "") -> None:
        """Tell people something on the way, on stderr."""
        self.errors.print(Text(show_text(text), style=style))

    def warn(self, text: str) -> None:
        """Tell people on stderr what they should look at."""
        self.errors.print(Text.assemble(("warning: ", "yellow"), show_text(text)))


@contextmanager
def _stdout() -> Iterator[TextIO]:
    """Lend stdout, flush it, and say so when what it leads to is full or gone."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough; ``exits`` ends the command quietly.
        raise
    except OSError as error:
        silence_stdout()
        raise StoreError(
            f"the answer cannot be written to standard output: {error.strerror}",
            hint="Check what the output is redirected to; what the command did is done.",
        ) from error


def silence_stdout() -> None:
    """Lead stdout nowhere, so that the interpreter's last flush does not complain."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def make_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Begin a table for people; the columns named in ``right`` hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def add_row(table: Table, *cells: object) -> None:
    """Add a row of texts that are shown as they are."""
    table.add_row(*(Text(show_text(str(cell))) for cell in cells))
