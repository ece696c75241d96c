"""Start ministack with a restore delay of our choice. Run by ministack's own Python."""

import os

# Of ministack's environment, not of ours.
from ministack.app import main  # type: ignore[import-not-found]
from ministack.services import s3  # type: ignore[import-not-found]

# A constant there. Should a version rename it, this has to fail and not be ignored.
assert isinstance(s3._RESTORE_DELAY_SECONDS, float)
s3._RESTORE_DELAY_SECONDS = float(os.environ["RESTORE_SECONDS"])
main()
