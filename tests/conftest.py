"""What holds for every test."""

import os

from hypothesis import settings

pytest_plugins = ["tests.emulators.plugin"]

# Real parts, disks among them, take the time they take: no example has a deadline. The CI judges
# a change and nothing else, so there the examples are the same at every run.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")
