"""How far a session is that runs elsewhere, from what it leaves in its target."""

from core.engine.batches import describe_plan, read_plan
from core.engine.packed import read_packed
from core.engine.progress import Progress
from core.engine.session import CopySession
from core.engine.state import Plan, Transfer
from proxy.wording import show_count, show_size


class StoredProgress:
    """Shows a session that runs elsewhere as one that runs here is shown."""

    def __init__(self, session: CopySession, progress: Progress) -> None:
        """Show that it plans, until a plan is seen."""
        self._session = session
        self._progress = progress
        self._plan: Plan | None = None
        # What was packed before is told apart, or it would look like the speed of what is watched.
        self._told = self._packed()
        self._is_packed = False
        progress.start("Planning", None, None)

    def update(self) -> int:
        """Look again; return how many names were listed."""
        if self._plan is None and not self._take_plan():
            # Whoever shows lines from time to time says that it goes on.
            self._progress.advance()
            return 0
        assert self._plan is not None
        packed = self._packed()
        size = packed.content_size - self._told.content_size
        count = packed.blob_count - self._told.blob_count
        self._progress.advance(max(0, size), max(0, count))
        self._told = packed
        if not self._is_packed and packed.blob_count >= self._plan.new_blob_count:
            self._is_packed = True
            label = (
                "Looking again, publishing" if self._session.source.is_changing else "Publishing"
            )
            self._progress.start(label, None, None)
        return packed.pack_count

    def _packed(self) -> Transfer:
        return read_packed(self._session.target.store, self._session.id)

    def _take_plan(self) -> bool:
        plan = read_plan(self._session.target, self._session.id)
        if plan is None:
            return False
        self._plan = plan
        self._progress.note(describe_plan(plan))
        if self._told.pack_count:
            packs = show_count(self._told.pack_count, "pack")
            size = show_size(self._told.content_size)
            self._progress.note(f"packed before: {packs} with {size}")
        self._progress.start(
            "Repacking",
            max(0, plan.new_content_size - self._told.content_size),
            max(0, plan.new_blob_count - self._told.blob_count),
        )
        return True
