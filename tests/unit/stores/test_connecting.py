"""One connection for all threads, made anew once however many of them ask for it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import InputError, StoreError
from core.limits import STORE_SILENCE_SECONDS_MAX
from core.stores.connecting import Connecting, fast_options
from core.stores.settings import StoreSettings

THREADS = 8


def test_threads_share_a_connection_and_renew_it_once() -> None:
    made: list[object] = []
    forgotten: list[object] = []

    def connect() -> object:
        made.append(object())
        return made[-1]

    connecting = Connecting(connect, lambda: forgotten.append(made[-1]))
    together = threading.Barrier(THREADS)

    def work(_: int) -> tuple[object, object]:
        together.wait()
        first = connecting.connection
        together.wait()
        connecting.refresh()
        together.wait()
        return first, connecting.connection

    assert connecting.found is None
    with ThreadPoolExecutor(THREADS) as pool:
        found = set(pool.map(work, range(THREADS)))
    assert found == {(made[0], made[1])}
    assert (len(made), forgotten) == (2, [made[0]])


def test_a_connection_that_failed_is_tried_again() -> None:
    failures = [StoreError("nothing answers")]

    def connect() -> str:
        if failures:
            raise failures.pop()
        return "connected"

    connecting = Connecting(connect, lambda: None)
    with pytest.raises(StoreError):
        _ = connecting.connection
    assert connecting.connection == "connected"


def test_settings_reach_the_library(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"certificates")
    plain = fast_options(StoreSettings(), allow_http=False)
    assert "proxy_url" not in plain
    assert (plain["allow_http"], "root_certificate" in plain) == (False, False)
    assert plain["read_timeout"].total_seconds() == STORE_SILENCE_SECONDS_MAX
    settings = StoreSettings(http_proxy="http://proxy:3128", ca_bundle=str(bundle))
    options = fast_options(settings, allow_http=True)
    assert options["proxy_url"] == "http://proxy:3128"
    assert options["root_certificate"] == b"certificates"
    with pytest.raises(InputError, match=r"cannot read the CA bundle .*: No such file"):
        fast_options(StoreSettings(ca_bundle=str(tmp_path / "none")), allow_http=True)
