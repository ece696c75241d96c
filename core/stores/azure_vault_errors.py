"""What Azure Key Vault answers when it refuses, as errors that say what to do."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from azure.core.exceptions import AzureError, HttpResponseError

from core.errors import ColdhaulError, InputError, IntegrityError, StoreError
from core.stores.azure_answers import Hints, answer_of, judge_trouble
from core.stores.pacing import Reaction, TransientError

CREDENTIALS_HINT = (
    "azure-identity asks in order: the environment (AZURE_CLIENT_ID and its kin), workload "
    "identity, managed identity, then the command line tools. `az login` gives the last of them; "
    "managed_identity of the repository's store names an identity of the machine."
)
_HINTS = Hints(
    broken="Look at the network between this machine and the vault.",
    unreachable="Look at the vault's name, http_proxy and DNS: a vault that was deleted has no "
    "address; `az keyvault recover` brings it back.",
    credentials=CREDENTIALS_HINT,
    unknown="Look at http_proxy in the configuration.",
)
_LOST_HINT = (
    "Until it is back, a passphrase or recovery key opens the repository: point the configuration "
    "to one."
)
_WORD = re.compile(r"\w{1,100}")
_DENIED = frozenset({"AccessDenied", "ForbiddenByPolicy", "ForbiddenByRbac"})
_NETWORK = frozenset({"ForbiddenByFirewall", "ForbiddenByConnection"})


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultRequest:
    """What was asked of a vault, for messages: "cannot ``doing`` ``location``".

    ``what`` is ``key`` or ``secret``; ``role`` is the one of Azure's own that has the permission.
    """

    doing: str
    location: str
    vault: str
    what: str
    permission: str
    role: str

    @property
    def cannot(self) -> str:
        """How every message about it begins."""
        return f"cannot {self.doing} {self.location}"


def judge(error: AzureError, request: VaultRequest) -> ColdhaulError:
    """Return what a failure means to a user; ``TransientError`` where another try may mend it."""
    answer = answer_of(error)
    if answer.trouble:
        kind = type(error).__name__
        return judge_trouble(answer.trouble, request.cannot, request.vault, kind, _HINTS)
    codes = _codes_of(error)
    if answer.status == 403:
        return _judge_refusal(codes, request)
    return _judge_status(answer.status, " ".join(codes), request)


def judge_local(request: VaultRequest) -> ColdhaulError:
    """Return what it means that something answered and it was not what a vault does."""
    return StoreError(
        f"{request.cannot}: what answers at {request.vault} is no Key Vault",
        hint="Look at DNS, a private endpoint and http_proxy: something else answers there.",
    )


def unreadable_bundle(request: VaultRequest) -> ColdhaulError:
    """Return the error for certificates that this machine was told to trust and cannot read."""
    return InputError(
        f"{request.cannot}: the certificates of authorities cannot be read",
        hint="REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that is not there.",
    )


def useless_input(error: AzureError, request: VaultRequest) -> ColdhaulError | None:
    """Return what it means that a key cannot use what it was given; None for other failures."""
    if answer_of(error).status != 400:
        return None
    if request.permission == "keys/unwrapKey":
        return changed_wrapping()
    return InputError(
        f"{request.cannot}: it is not an RSA key",
        hint="Create one as with `az keyvault key create --kty RSA --size 3072 --ops wrapKey "
        "unwrapKey`.",
    )


def changed_wrapping() -> IntegrityError:
    """Return the error for what a key cannot unwrap, or unwraps to what was not wrapped."""
    return IntegrityError(
        "the wrapped key was changed, or wrapped by another key or for another repository"
    )


def _codes_of(error: AzureError) -> tuple[str, ...]:
    """Return the service's codes, the general one first; nothing else of what it said."""
    response = error.response if isinstance(error, HttpResponseError) else None
    try:
        document = json.loads(response.text()) if response is not None else {}
    except (ValueError, RecursionError, AzureError):
        return ()
    found: list[str] = []
    level = document.get("error") if isinstance(document, Mapping) else None
    while isinstance(level, Mapping):
        found.append(str(level.get("code", "")))
        level = level.get("innererror", level.get("innerError"))
    return tuple(code for code in found if _WORD.fullmatch(code))


def _judge_refusal(codes: tuple[str, ...], request: VaultRequest) -> ColdhaulError:
    cannot, what = request.cannot, request.what
    if any(code.endswith("Disabled") for code in codes):
        return StoreError(
            f"{cannot}: the {what} is disabled",
            hint=f"`az keyvault {what} set-attributes --enabled true --id {request.location}` "
            f"brings it back. {_LOST_HINT}",
        )
    if _NETWORK & {*codes}:
        return StoreError(
            f"{cannot}: the vault does not let this network in",
            hint="Allow this machine under Networking of the vault, or reach it by its private "
            "endpoint.",
        )
    inner = codes[-1] if len(codes) > 1 else ""
    if inner and inner not in _DENIED:
        return StoreError(
            f"{cannot}: the vault refuses this {what} ({inner})",
            hint=f"See in the vault what the {what} is for, its operations, and from when until "
            f"when it may be used. {_LOST_HINT}",
        )
    return StoreError(
        f"{cannot}: {request.permission} is not allowed",
        hint=f'Give the identity that asks the role "{request.role}" on the {what}, or in a vault '
        f"with access policies the permission {request.permission}. A role takes some minutes to "
        f"count. The {what} has to be enabled and within its dates, too.",
    )


def _judge_status(status: int, said: str, request: VaultRequest) -> ColdhaulError:
    cannot, what = request.cannot, request.what
    if status == 404:
        return InputError(
            f"{cannot}: there is no such {what}",
            hint=f"Check vault, name and version. A deleted {what} comes back with `az keyvault "
            f"{what} recover` while the vault keeps it."
            + (f" {_LOST_HINT}" if what == "key" else ""),
        )
    if status == 401:
        return TransientError(
            f"{cannot}: the vault does not accept these credentials",
            hint=f"{CREDENTIALS_HINT} They have to be of the vault's tenant.",
            reaction=Reaction.REFRESH,
        )
    if status == 429:
        return TransientError(
            f"{cannot}: the vault asks for fewer requests",
            hint="A vault has limits for all who use it: see who else does, or use another.",
            reaction=Reaction.SLOW_DOWN,
        )
    # 409 is a key or secret that is being deleted or recovered.
    if status in {408, 409} or status >= 500 or status == 200:
        return TransientError(
            f"{cannot}: the vault failed with {status} {said}".rstrip(),
            hint="Look at https://azure.status.microsoft for its state.",
        )
    return StoreError(f"{cannot}: the vault answered {status} {said}".rstrip())
