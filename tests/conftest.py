"""What holds for every test."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from core.format import slots, wrapping

pytest_plugins = ["tests.emulators.plugin"]

# Real parts, disks among them, take the time they take: no example has a deadline, and none is too
# slow to make. The CI judges a change and nothing else, so there the examples are the same at every
# run.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Refuse a parameter's values in no order: workers would collect different tests."""
    for mark in metafunc.definition.iter_markers("parametrize"):
        values = mark.args[1] if len(mark.args) > 1 else mark.kwargs["argvalues"]
        if isinstance(values, (set, frozenset)):
            test = metafunc.definition.nodeid
            raise pytest.UsageError(f"{test} is parametrized by a set: sort it")


# To derive a key from a passphrase takes a quarter of a second of a processor and 64 MiB, by
# intent. In tests the slots are made with the least that the format allows, and say so, so that
# other processes open them as cheaply. ``real_keys`` is for those that are about the real cost.
_CHEAP_KIB = slots.ARGON2_LANE_KIB_MIN * wrapping.ARGON2_LANES
_DEFAULTS: dict[str, Any] = wrapping.wrap_passphrase.__kwdefaults__ or {}
_REAL_KIB = _DEFAULTS["memory_kib"]
_DEFAULTS["memory_kib"] = _CHEAP_KIB


@pytest.fixture
def real_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make slots of passphrases as a user's are made."""
    monkeypatch.setitem(_DEFAULTS, "memory_kib", _REAL_KIB)
