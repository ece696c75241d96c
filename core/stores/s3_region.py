"""In which region a bucket is: as settings say, else as S3 does."""

from core.stores.address import parse_address
from core.stores.pacing import Pacer
from core.stores.s3_client import S3Client
from core.stores.settings import StoreSettings


def find_region(url: str, settings: StoreSettings) -> str:
    """Return the region of the bucket of an ``s3://`` URL.

    An endpoint other than Amazon's has no regions to find: without one in the settings it is that
    of boto3's configuration.
    """
    if settings.region:
        return settings.region
    client = S3Client(parse_address(url), settings)
    return Pacer(refresh=client.refresh).run(lambda: client.connection.region)
