"""What the routes of an appliance in Azure answer. Fields that are not known are left out.

An app of another version may say less or more; all that counts then is that it says which.
"""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from core import limits
from core.engine.check import Level
from proxy.appliance import Standing

_Text = Annotated[str, StringConstraints(max_length=4096)]
_Name = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,256}$")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class DeploymentAnswer(_Answer):
    """What an app was deployed for, and by which version."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    target_url: _Text = ""
    target_endpoint: _Text = ""
    source_url: _Text = ""
    source_endpoint: _Text = ""
    source_kind: _Text = ""
    storage_class: _Text = ""
    metadata_class: _Text = ""
    retention_type: _Text = ""


class FindingAnswer(_Answer):
    """One thing that an app has found about itself."""

    level: Level
    what: _Text
    detail: str
    hint: str = ""


class CheckAnswer(_Answer):
    """All that an app has found about itself."""

    findings: Annotated[list[FindingAnswer], Field(max_length=limits.APPLIANCE_FINDINGS_MAX)]


class SessionAnswer(_Answer):
    """The newest attempt at a session.

    ``cause`` may have all reasons of a session that failed: no longer than an answer may be.
    """

    attempt: Annotated[int, Field(ge=1, le=limits.STEP_COUNT_MAX)]
    standing: Standing
    started: AwareDatetime
    ended: AwareDatetime | None = None
    error: _Text | None = None
    cause: str | None = None


class RunningAnswer(_Answer):
    """What runs for a job that nobody but the app itself has ordered."""

    instance: _Name
