"""Whether a function app can run sessions: what it finds itself, and what it lets others do."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.engine.check import Finding, Level, failed, passed
from core.errors import ColdhaulError

if TYPE_CHECKING:
    from proxy.appliance_azure import AzureAppliance

_SIGN_IN = "sign-in"


def inspect_app(appliance: "AzureAppliance") -> Iterator[Finding]:
    """Check sign-in, then all that the app finds about itself, each whatever the other found."""
    yield _check_sign_in(appliance)
    try:
        findings = list(appliance.findings())
    except ColdhaulError as error:
        yield failed("app", error)
        return
    yield from findings


def _check_sign_in(appliance: "AzureAppliance") -> Finding:
    try:
        is_open = appliance.answers_anybody()
    except ColdhaulError as error:
        return failed(_SIGN_IN, error)
    if not is_open:
        return passed(_SIGN_IN, "whoever shows no token is refused")
    return Finding(
        level=Level.ERROR,
        what=_SIGN_IN,
        detail=f"{appliance.place} answers whoever asks, and believes who he says he is",
        hint="Have App Service authentication require it, as the template does: deploy the "
        "appliance again.",
    )
