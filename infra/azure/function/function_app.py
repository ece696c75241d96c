"""Where Azure looks for functions: the one module that has to have this name."""

from appliance_azure.app import app

__all__ = ["app"]
