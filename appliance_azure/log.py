"""The log of the functions: one line of JSON a call, as Application Insights is asked for it."""

import json
import logging
from collections.abc import Mapping

# Under the root, whose handler is the worker's.
logger = logging.getLogger("coldhaul")
# What the alert on failed sessions looks for.
FAILED_SESSIONS = "failed_sessions"


def write_line(level: int, message: str, keys: Mapping[str, object]) -> None:
    """Write a line: what happened, and by what it is found again."""
    logger.log(level, "%s", json.dumps({"message": message, **keys}))
