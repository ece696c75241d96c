"""Settings travel and keep what is secret to themselves."""

import pickle
from functools import partial

from core.stores.settings import StoreSettings


def test_settings_travel_to_worker_processes_and_show_no_key() -> None:
    settings = StoreSettings(account_key=partial("{}".format, "never shown"))
    copy = pickle.loads(pickle.dumps(settings))
    assert copy.account_key is not None
    assert copy.account_key() == "never shown"
    assert "never shown" not in repr(settings)
