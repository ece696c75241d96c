"""What goes wrong with the rows of a restore, kept on disk: it may be every one of them."""

import threading
from typing import Self

from core.catalog.workspace import Workspace, quote
from core.errors import ColdhaulError
from core.plan.restore import Piece

CSV = "header=false, delim=',', quote='', escape='', auto_detect=false, parallel=false"


class FaultLog:
    """Items that failed, and pieces to be tried elsewhere. Threads may write to it together."""

    def __init__(self, workspace: Workspace) -> None:
        """Begin with nothing, in files of the workspace."""
        self._failed_path = workspace.new_path("failed", ".csv")
        self._retried_path = workspace.new_path("retried", ".csv")
        self._failed = self._failed_path.open("w")
        self._retried = self._retried_path.open("w")
        self._lock = threading.Lock()
        self._count = 0

    def fail(self, row: int, category: str, reason: str) -> None:
        """Note that an item cannot be restored; the first reason given for it counts."""
        with self._lock:
            self._count += 1
            self._failed.write(f"{self._count},{row},{category},{_text(reason)}\n")

    def fail_with(self, row: int, error: ColdhaulError) -> None:
        """Note that an item cannot be restored because of this error."""
        self.fail(row, error.category, error.message)

    def retry(self, piece: Piece, error: ColdhaulError) -> None:
        """Note that a piece could not be had from where it was tried."""
        line = f"{piece.target.row},{piece.ordinal},{piece.blob.hex()},{piece.length}"
        with self._lock:
            self._retried.write(f"{line},{error.category},{_text(error.message)}\n")

    def failed_sql(self) -> str:
        """Return the query of the items that have failed by now, each once."""
        self._failed.flush()
        return f"""(select row_no, arg_min(category, n) as category,
            decode(unhex(arg_min(reason, n)[2:])) as reason
            from read_csv({quote(self._failed_path)}, {CSV}, columns={{'n': 'BIGINT',
            'row_no': 'BIGINT', 'category': 'VARCHAR', 'reason': 'VARCHAR'}}) group by row_no)"""

    def retried_sql(self) -> str:
        """Return the query of the pieces noted since ``forget_retried``."""
        self._retried.flush()
        return f"""(select row_no, ordinal, unhex(blob) as blob, length, category,
            decode(unhex(reason[2:])) as reason
            from read_csv({quote(self._retried_path)}, {CSV}, columns={{'row_no': 'BIGINT',
            'ordinal': 'BIGINT', 'blob': 'VARCHAR', 'length': 'BIGINT', 'category': 'VARCHAR',
            'reason': 'VARCHAR'}}))"""

    def forget_retried(self) -> None:
        """Begin a new list of pieces."""
        self._retried.seek(0)
        self._retried.truncate()

    def __enter__(self) -> Self:
        """Hand out the log."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the files; they die with the workspace."""
        self._failed.close()
        self._retried.close()


def _text(reason: str) -> str:
    # The x keeps an empty reason from being read as NULL.
    return f"x{reason.encode(errors='backslashreplace').hex()}"
