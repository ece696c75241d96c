"""The configuration of a place, with its repositories in a cloud instead of folders."""

from core.stores.settings import StoreSettings
from tests.cli.place import Place
from tests.emulators.services import AZURE_KEY_VARIABLE, AzureService, S3Service

Service = S3Service | AzureService


def move_to(place: Place, service: Service, *names: str) -> str:
    """Declare these repositories of a place in one new bucket; return its URL."""
    url = service.new_url()
    for name in names:
        place.edit(f'url = "file://{place.root}/{name}"', f'url = "{url}/{name}"\nstore = "cloud"')
    with place.config.open("a") as file:
        file.write(f"\n[stores.cloud]\n{store_table(service.settings)}")
    return url


def store_table(settings: StoreSettings) -> str:
    """Write the settings of a service as the keys of a store."""
    keys = {
        "endpoint": settings.endpoint,
        "region": settings.region,
        "vendor": settings.vendor,
        "ca_bundle": settings.ca_bundle,
        "account_key": f"env:{AZURE_KEY_VARIABLE}" if settings.account_key else "",
    }
    return "".join(f'{key} = "{value}"\n' for key, value in keys.items() if value)
