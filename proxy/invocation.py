"""What every command is started with, and how a function becomes a command.

``--config`` and ``--json`` may stand before or after the words of a command; the last one counts.
"""

import inspect
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import Annotated

import typer

from proxy.config import DEFAULT_PATH, Config, load_config
from proxy.exits import run_command
from proxy.output import Output

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="PATH", help=f"The configuration (default: {DEFAULT_PATH})."),
]
JsonOption = Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")]


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One run of the command: which configuration, and for whom to speak."""

    config_path: Path
    is_json: bool

    @cached_property
    def config(self) -> Config:
        """The configuration, read and validated when it is first needed."""
        return load_config(self.config_path)

    @cached_property
    def output(self) -> Output:
        """What the command speaks through."""
        return Output(is_json=self.is_json)

    def command_line(self, *words: str) -> str:
        """Write a command that somebody could type to go on from here."""
        end: Sequence[str] = ()
        if self.config_path != DEFAULT_PATH:
            end = ("--config", str(self.config_path))
        return shlex.join(["coldhaul", *words, *end])


Command = Callable[..., int]


def new_group(help_text: str) -> typer.Typer:
    """Make a group of commands that takes the common options too."""
    group = typer.Typer(help=help_text, no_args_is_help=True)

    @group.callback()
    def take_options(
        context: typer.Context, config: ConfigOption = None, is_json: JsonOption = False
    ) -> None:
        keep_options(context, config, is_json=is_json)

    return group


def keep_options(context: typer.Context, config: Path | None, *, is_json: bool) -> None:
    """Remember common options for the commands below this group."""
    earlier = _kept(context)
    context.obj = Invocation(
        config_path=config or earlier.config_path, is_json=is_json or earlier.is_json
    )


def _kept(context: typer.Context) -> Invocation:
    if isinstance(context.obj, Invocation):
        return context.obj
    return Invocation(config_path=DEFAULT_PATH, is_json=False)


def command(group: typer.Typer, name: str) -> Callable[[Command], Command]:
    """Register a function as a command.

    Its first parameter receives the ``Invocation``; the others are typer's. It returns an exit
    code. Its errors are reported, and ``--config`` and ``--json`` are added to its options.
    """

    def register(function: Command) -> Command:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        @wraps(function)
        def run(
            _context: typer.Context, _config: Path | None, _is_json: bool, **values: object
        ) -> None:
            keep_options(_context, _config, is_json=_is_json)
            invocation = _kept(_context)
            code = run_command(lambda: function(invocation, **values), invocation.output)
            raise typer.Exit(code)

        _set_signature(run, own)
        run.__doc__ = _reflow(function.__doc__ or "")
        group.command(name)(run)
        return function

    return register


def _reflow(text: str) -> str:
    """Make each paragraph one line, so that help breaks it where the terminal does."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _set_signature(run: Callable[..., None], own: list[inspect.Parameter]) -> None:
    """Show typer the function's own parameters with the common ones around them."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    common = [
        inspect.Parameter("_context", keyword, annotation=typer.Context),
        inspect.Parameter("_config", keyword, annotation=ConfigOption, default=None),
        inspect.Parameter("_is_json", keyword, annotation=JsonOption, default=False),
    ]
    parameters = [*(each.replace(kind=keyword) for each in own), *common]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
