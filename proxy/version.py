"""Which version of coldhaul this is: an appliance has to be of the same."""

from importlib.metadata import PackageNotFoundError, version


def own_version() -> str:
    """Return the installed version; empty when this is run from a source tree."""
    try:
        return version("coldhaul")
    except PackageNotFoundError:
        return ""
