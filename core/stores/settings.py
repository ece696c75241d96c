"""How a store is reached and how fast and into which class it is written; no secrets."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Everything about a store but its URL. Can be pickled: worker processes open stores anew.

    Empty texts and zeros leave the choice to the vendor's own default chain. ``account_key``
    fetches the shared key of an Azure account when it is needed; None takes azure-identity's
    chain, with ``managed_identity`` as the client id of a user-assigned identity. Bandwidths are
    bytes a second for each process, 0 for no limit. ``storage_class`` is for packs and
    ``metadata_class`` for all else.
    """

    vendor: str = ""
    endpoint: str = ""
    region: str = ""
    profile: str = ""
    role_arn: str = ""
    managed_identity: str = ""
    account_key: Callable[[], str] | None = field(default=None, repr=False)
    ca_bundle: str = ""
    http_proxy: str = ""
    kms_key: str = ""
    read_bandwidth: int = 0
    write_bandwidth: int = 0
    storage_class: str = ""
    metadata_class: str = ""
