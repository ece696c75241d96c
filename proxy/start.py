"""Where the ``coldhaul`` command begins, before anything that takes long is imported."""

import gc
import signal


def main() -> None:
    """Run the command. Ctrl-C while it is still being loaded ends it without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # What is loaded stays until the end: looking it through for garbage takes a tenth of the time.
    gc.disable()
    # Half a second, in which nothing has begun that would have to end cleanly.
    from proxy import cli

    gc.freeze()
    gc.enable()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main()
