"""The packaged function app of the appliance in Azure, served on this machine for one job.

It is what is deployed, in real workers, beside Azurite, which knows it by its managed identity. App
Service authentication lets in whoever has a token for the audience of the app, as Entra ID makes
them.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from typing import Self

from core.stores.settings import StoreSettings
from infra.azure.package import kept_package
from proxy.appliance_azure import AzureAppliance
from tests.emulators.functions_host import FunctionsHost
from tests.emulators.identity import audience_of
from tests.emulators.services import AzureService
from tests.emulators.task_hub import Moment
from tests.support.function_apps import AUDIENCE

_CLIENT_ID = "00000000-0000-0000-0000-000000000003"


def _sign_in(token: str) -> str | None:
    return "the proxy" if audience_of(token) == AUDIENCE else None


def settings_of(service: AzureService, source: str, target: str) -> dict[str, str]:
    """Return what an app is deployed with that copies between two places of an account."""
    return {
        "COLDHAUL_SOURCE_URL": source,
        "COLDHAUL_SOURCE_ENDPOINT": service.endpoint,
        "COLDHAUL_SOURCE_KIND": "repository",
        "COLDHAUL_TARGET_URL": target,
        "COLDHAUL_TARGET_ENDPOINT": service.endpoint,
        "COLDHAUL_MEMORY_MB": "2048",
        "AZURE_CLIENT_ID": _CLIENT_ID,
        "REQUESTS_CA_BUNDLE": service.settings.ca_bundle,
        "SSL_CERT_FILE": service.settings.ca_bundle,
    }


class ServedApp:
    """An app that is served; ``hold`` keeps what it does next from being done."""

    kind = "azure"

    def __init__(self, host: FunctionsHost) -> None:
        """Look at a host."""
        self.host = host

    @property
    def table(self) -> str:
        """What the configuration says of it."""
        return f'kind = "azure", url = "{self.host.url}", audience = "{AUDIENCE}"'

    def client(self, audience: str = AUDIENCE) -> AzureAppliance:
        """Return a client of the proxy's."""
        return AzureAppliance(self.host.url, audience, StoreSettings())

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Have every activity wait until this is over."""
        goes_on = threading.Event()

        def wait(moment: Moment) -> None:
            if not moment.is_answer:
                goes_on.wait()

        self.host.hub.disturb = wait
        try:
            yield
        finally:
            self.host.hub.disturb = lambda _: None
            goes_on.set()


class ServedCloud:
    """This machine, with Azurite and an identity: whatever is deployed here is the app itself."""

    kind = "azure"

    def __init__(self, service: AzureService, environment: Mapping[str, str]) -> None:
        """Serve nothing yet; the environment leads to the identity."""
        self._end = contextlib.ExitStack()
        self._way = (service, environment)

    def __enter__(self) -> Self:
        """Serve until this is left."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all of it."""
        self._end.close()

    def serve(
        self,
        source: str,
        target: str,
        more: Mapping[str, str] | None = None,
        *,
        is_protected: bool = True,
    ) -> ServedApp:
        """Serve an app for two places; ``is_protected`` is App Service authentication."""
        service, environment = self._way
        settings = {**settings_of(service, source, target), **environment, **(more or {})}
        sign_in = _sign_in if is_protected else None
        host = FunctionsHost(kept_package(), settings, sign_in=sign_in)
        return ServedApp(self._end.enter_context(host))
