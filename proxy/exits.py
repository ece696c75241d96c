"""How a command ends: the one place where errors become words and exit codes.

=====  ==========================================================================
code   meaning
=====  ==========================================================================
0      done
1      a bug of ours; the traceback is kept in a file
2      input: the command line, the configuration or a secret is wrong
3      what was named is not there
4      conflict: something or somebody else was first
5      not ready: right request, wrong moment
6      the store refused or failed
7      integrity: stored bytes are not what was written
8      done, with warnings
130    stopped by Ctrl-C (143 by SIGTERM), cleanly; the message says how to resume
141    whoever read the output left
=====  ==========================================================================
"""

import json
import sys
import tempfile
import traceback
from collections.abc import Callable

from rich.text import Text

from core.errors import ColdhaulError
from proxy.interrupt import InterruptedRunError
from proxy.output import Output, silence_stdout
from proxy.wording import show_text

DONE = 0
BUG = 1
INPUT = 2
NOT_READY = 5
STORE = 6
INTEGRITY = 7
WARNINGS = 8
INTERRUPTED = 130
BROKEN_PIPE = 141

# More scroll the message off the screen.
_PROBLEMS_SHOWN_MAX = 100


_DEFAULT_HINTS = {
    "integrity": (
        "'coldhaul verify' says what suffers, 'coldhaul rebuild' what has to be deleted so that "
        "it can be brought back from beside the packs."
    )
}


def run_command(body: Callable[[], int], output: Output) -> int:
    """Run a command and return its exit code; every error has been reported then."""
    try:
        return body()
    except BrokenPipeError:
        silence_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        error = InterruptedRunError("interrupted; nothing is half done", "", INTERRUPTED)
        _report_interrupt(output, error)
        return INTERRUPTED
    except InterruptedRunError as interrupt:
        _report_interrupt(output, interrupt)
        return interrupt.exit_code
    except ColdhaulError as refusal:
        report(output, refusal)
        return refusal.exit_code
    # The entry point alone may do this: here our bugs become a request to report them.
    except Exception as bug:  # noqa: BLE001
        _report_bug(output, bug)
        return BUG


def report(output: Output, error: ColdhaulError) -> None:
    """Print an error with every problem and its hint."""
    report_parts(
        output,
        {
            "category": error.category,
            "exit_code": error.exit_code,
            "message": error.message,
            "problems": list(error.problems),
            "items": list(error.items),
            "hint": error.hint or _DEFAULT_HINTS.get(error.category, ""),
        },
    )


def _report_interrupt(output: Output, error: InterruptedRunError) -> None:
    report_parts(
        output,
        {
            "category": "interrupted",
            "exit_code": error.exit_code,
            "message": error.message,
            "problems": [],
            "items": [],
            "hint": error.hint,
        },
    )


def report_usage(output: Output, message: str, usage: str) -> None:
    """Print what is wrong with a command line."""
    hint = f"{usage} --help says what it takes." if usage else ""
    report_parts(
        output,
        {
            "category": "input",
            "exit_code": INPUT,
            "message": message,
            "problems": [],
            "items": [],
            "hint": hint,
        },
    )


def report_parts(output: Output, error: dict[str, object]) -> None:
    """Print an error for people on stderr and, if asked for, as JSON on stdout."""
    message, hint = error["message"], error["hint"]
    output.errors.print(Text.assemble(("error: ", "bold red"), show_text(str(message))))
    _list(output, error["problems"])
    _list(output, error["items"])
    if hint:
        output.errors.print(Text.assemble(("hint: ", "bold"), show_text(str(hint))))
    if output.is_json:
        try:
            sys.stdout.write(json.dumps({"error": error}, indent=2) + "\n")
            sys.stdout.flush()
        except OSError:
            silence_stdout()


def _list(output: Output, findings: object) -> None:
    assert isinstance(findings, list)
    for finding in findings[:_PROBLEMS_SHOWN_MAX]:
        output.say(f"  - {finding}")
    if len(findings) > _PROBLEMS_SHOWN_MAX:
        output.say(f"  - and {len(findings) - _PROBLEMS_SHOWN_MAX:,} more; --json lists them")


def _report_bug(output: Output, error: Exception) -> None:
    place = keep_traceback(error)
    report_parts(
        output,
        {
            "category": "bug",
            "exit_code": BUG,
            "message": f"this is a bug in coldhaul: {type(error).__name__}: {error}",
            "problems": [],
            "items": [],
            "hint": f"Please report it with the command you ran and {place}.",
        },
    )


def keep_traceback(error: BaseException) -> str:
    """Write an error's traceback to a file that only this user can read; say where."""
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="coldhaul-bug-", suffix=".txt", delete=False, errors="backslashreplace"
        ) as file:
            traceback.print_exception(error, file=file)
            return f"the file {file.name}"
    except OSError:
        traceback.print_exception(error)
        return "the traceback above"
