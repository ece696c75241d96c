"""The ``coldhaul`` command: its commands put together, and the entry point."""

import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer

from proxy import exits
from proxy.commands import (
    appliance,
    backup,
    init,
    item,
    job,
    key,
    proxy,
    rebuild,
    repository,
    restore,
    restore_point,
    session,
    verify,
)
from proxy.invocation import ConfigOption, JsonOption, keep_options
from proxy.output import Output
from proxy.version import own_version

app = typer.Typer(
    name="coldhaul",
    help="Keep a second, long-term copy of backups in cold object storage.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
_READ_ALL = "--read-data=all"
# No repository can have such a name.
_PERCENTAGE = re.compile(r"\d+%", re.ASCII)
# Typer's own error for a wrong command line is public only by its child.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        sys.stdout.write(f"coldhaul {own_version() or '(run from its source tree)'}\n")
        raise typer.Exit


@app.callback()
def take_options(
    context: typer.Context,
    config: ConfigOption = None,
    is_json: JsonOption = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            metavar="",
            help="Print the version.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Take what stands before the command."""
    keep_options(context, config, is_json=is_json)


_MODULES = (
    init,
    repository,
    backup,
    job,
    proxy,
    session,
    restore_point,
    item,
    restore,
    verify,
    rebuild,
    key,
    appliance,
)
for _module in _MODULES:
    _module.register(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # Names of any alphabet must not end a command on a terminal that lacks its letters.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(words))


@cache
def _parser() -> Callable[..., Any]:
    """Make the parser of all commands, which takes a process longer than many a command."""
    return typer.main.get_command(app)


def _run(words: list[str]) -> int:
    try:
        code = _parser()(spell_out(words), prog_name="coldhaul", standalone_mode=False)
    except _USAGE_ERROR as error:
        return _report_usage(error, words)
    return code if isinstance(code, int) else exits.DONE


def spell_out(words: Sequence[str]) -> list[str]:
    """Give ``--read-data`` the value that it stands for alone: options take theirs or none."""
    spelled: list[str] = []
    for word in words:
        if spelled and spelled[-1] == _READ_ALL and _PERCENTAGE.fullmatch(word):
            spelled[-1] = f"--read-data={word}"
        else:
            spelled.append(_READ_ALL if word == "--read-data" else word)
    return spelled


def _report_usage(error: Exception, words: list[str]) -> int:
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(f"{message}\n")
        return exits.INPUT
    output = Output(is_json="--json" in words)
    exits.report_usage(output, message, context.command_path if context else "")
    return exits.INPUT
