"""A progress that nobody watches takes everything."""

from core.engine.progress import Progress, Silent


def test_silence_is_a_progress() -> None:
    progress: Progress = Silent()
    progress.start("Packing", 10, None)
    progress.advance(size=5, count=1)
    progress.advance()
    progress.note("a line")
    progress.warn("a warning")
