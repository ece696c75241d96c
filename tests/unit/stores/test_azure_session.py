"""One chain of credentials for all that ask as the same, and connections for all threads."""

import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import HttpRequest

from core.limits import STORE_CONCURRENCY_MAX
from core.stores.azure_session import open_identity, open_transport
from core.stores.settings import StoreSettings
from tests.emulators.identity import IdentityEndpoint

SCOPE = "https://storage.azure.com/.default"


def test_who_asks_as_the_same_shares_its_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    open_identity.cache_clear()
    with IdentityEndpoint() as endpoint:
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        identity = open_identity("", "")
        token = identity.get_token(SCOPE).token
    # The endpoint is gone, and the token is still there.
    assert open_identity("", "") is identity
    assert open_identity("", "").get_token(SCOPE).token == token
    open_identity.cache_clear()
    assert open_identity("", "") is not identity
    open_identity.cache_clear()


def test_another_identity_or_way_has_a_chain_of_its_own() -> None:
    named = "00000000-0000-0000-0000-000000000003"
    chains = [open_identity(*who) for who in (("", ""), (named, ""), ("", "http://127.0.0.1:9"))]
    assert len({id(chain) for chain in chains}) == 3
    open_identity.cache_clear()


def test_tokens_are_fetched_through_the_http_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service principal's tokens are at the other end of the internet."""
    asked = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(502)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID"):
        monkeypatch.setenv(name, "00000000-0000-0000-0000-000000000001")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "none of ours")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    # azure-identity tries again, which is not what is looked at.
    monkeypatch.setattr("time.sleep", lambda _: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        chain = open_identity("", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(ClientAuthenticationError):
            chain.get_token(SCOPE)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        open_identity.cache_clear()
    assert asked
    assert set(asked) == {"login.microsoftonline.com:443"}


def test_connections_are_enough_for_all_threads() -> None:
    endpoint = "http://127.0.0.1:9"
    transport = open_transport(StoreSettings(ca_bundle="/etc/own-ca.pem"), endpoint)
    pool = transport.session.get_adapter(endpoint).poolmanager.connection_pool_kw
    assert pool["maxsize"] == STORE_CONCURRENCY_MAX
    assert transport.connection_config.verify == "/etc/own-ca.pem"
    with pytest.raises(Exception, match="Connection refused"):
        transport.send(HttpRequest("GET", endpoint))
    transport.close()


def test_what_logs_urls_is_kept_quiet() -> None:
    for name in ("azure", "urllib3"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING
