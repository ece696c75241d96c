"""Arguments and options that several commands take."""

from typing import Annotated

import typer

RepositoryName = Annotated[
    str, typer.Argument(metavar="NAME", help="A repository of the configuration.")
]
JobName = Annotated[str, typer.Argument(metavar="JOB", help="A job of the configuration.")]
SessionText = Annotated[
    str, typer.Argument(metavar="ID", help="A session's id, or the beginning of one.")
]
PointOption = Annotated[
    str | None,
    typer.Option(
        "--point", metavar="ID", help="A restore point's id, or the beginning of one (newest)."
    ),
]
IncludeOption = Annotated[
    list[str] | None,
    typer.Option("--include", metavar="GLOB", help="Only paths that match; may be repeated."),
]
OnlyCloudKeyOption = Annotated[
    bool,
    typer.Option(
        "--only-cloud-key", metavar="", help="Let keys in a cloud alone open the repository."
    ),
]
