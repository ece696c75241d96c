"""Start LocalStack with its objects in a folder of its own. Run by LocalStack's own Python."""

import sys
import tempfile
from pathlib import Path

# Last, so that nothing of ours is found instead of something of LocalStack's.
sys.path.append(str(Path(__file__).parents[2]))

# The first two are of LocalStack's environment, not of ours.
from localstack.runtime.main import main  # type: ignore[import-not-found]
from localstack.services.s3 import provider  # type: ignore[import-not-found]

from tests.emulators import event_targets, lambda_executor, state_machines

# A constant, the same for all. Should a version rename it, this has to fail and not be ignored.
assert isinstance(provider.DEFAULT_S3_TMP_DIR, str)
provider.DEFAULT_S3_TMP_DIR = tempfile.mkdtemp(prefix="s3-")
lambda_executor.install()
state_machines.install()
event_targets.install()
main()
