"""Uploads to S3 that were begun and never ended: S3 lists them apart from the objects."""

from collections.abc import Iterator
from datetime import UTC
from functools import partial

from core.errors import NotFoundError
from core.stores.pacing import Pacer
from core.stores.s3_client import S3Client
from core.stores.store import UnfinishedUpload


def list_uploads(
    client: S3Client, pacer: Pacer, bucket: str, root: str
) -> Iterator[UnfinishedUpload]:
    """Yield all below ``root``, under names below it."""
    request = client.request("list uploads of", "", "s3:ListBucketMultipartUploads")
    place: dict[str, str] = {"Bucket": bucket, "Prefix": root}
    while True:
        try:
            page = pacer.run(partial(client.call, request, "list_multipart_uploads", **place))
        except NotFoundError:
            # How rclone says that there are none; a missing bucket is another error.
            return
        for entry in page.get("Uploads", ()):
            yield UnfinishedUpload(
                name=entry["Key"].removeprefix(root),
                token=entry["UploadId"],
                started=entry["Initiated"].astimezone(UTC),
            )
        if not page.get("IsTruncated"):
            return
        place |= {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
