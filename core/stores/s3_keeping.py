"""Whether a bucket keeps what is deleted: its versioning, and the rules of its life cycle."""

from collections.abc import Iterable, Mapping
from typing import Any

from core.errors import NotFoundError
from core.stores.pacing import Pacer
from core.stores.s3_client import S3Client
from core.stores.store import Keeping


def find_keeping(client: S3Client, pacer: Pacer, bucket: str, root: str) -> Keeping:
    """Ask the bucket; ``StoreError`` where it does not tell."""
    versioning = client.request("look at the versioning of", "", "s3:GetBucketVersioning")
    found = pacer.run(lambda: client.call(versioning, "get_bucket_versioning", Bucket=bucket))
    if found.get("Status") != "Enabled":
        return Keeping(is_kept=False)
    cycle = client.request("look at the life cycle of", "", "s3:GetLifecycleConfiguration")
    operation = "get_bucket_lifecycle_configuration"
    try:
        rules = pacer.run(lambda: client.call(cycle, operation, Bucket=bucket)).get("Rules", ())
    except NotFoundError:
        # NoSuchLifecycleConfiguration.
        rules = ()
    return Keeping(is_kept=True, days=find_days(rules, root))


def find_days(rules: Iterable[Mapping[str, Any]], root: str) -> int:
    """Return after how many days the rules delete former versions below a prefix; 0 if never.

    Only rules for all of it count: not those for tags, sizes or a part.
    """
    found = [
        int(days)
        for rule in rules
        if rule.get("Status") == "Enabled" and _covers(rule, root)
        if (days := rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays"))
    ]
    return min(found, default=0)


def _covers(rule: Mapping[str, Any], root: str) -> bool:
    wanted = rule.get("Filter", {"Prefix": rule.get("Prefix", "")})
    return set(wanted) <= {"Prefix"} and root.startswith(wanted.get("Prefix", ""))
