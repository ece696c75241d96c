"""What Azure and the libraries that speak to it refuse, said so that a user knows what to do."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import (
    ColdhaulError,
    ConflictError,
    InputError,
    NotFoundError,
    NotReadyError,
    StoreError,
)
from core.stores.azure_answers import Answer, Hints, answer_of, judge_trouble
from core.stores.pacing import Reaction, TransientError

READER = "Storage Blob Data Reader"
CONTRIBUTOR = "Storage Blob Data Contributor"
OWNER = "Storage Blob Data Owner"

CREDENTIALS_HINT = (
    "azure-identity asks in order: the environment (AZURE_CLIENT_ID and its kin), workload "
    "identity, managed identity, then the command line tools. `az login` gives the last of them; "
    "managed_identity names an identity of the machine, account_key an account's key."
)
_HINTS = Hints(
    broken="Look at the network between this machine and the store.",
    unreachable="Look at the endpoint and http_proxy in the configuration, at DNS, and at "
    "firewalls on the way.",
    credentials=CREDENTIALS_HINT,
    unknown="Look at the endpoint and http_proxy in the configuration.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked of the store, for messages: "cannot ``doing`` ``location``".

    ``items`` are keys of others that it is about: no message has them.
    """

    doing: str
    location: str
    role: str
    container: str
    endpoint: str
    is_write: bool = False
    has_key: bool = False
    items: tuple[str, ...] = ()

    @property
    def cannot(self) -> str:
        """How every message about it begins."""
        return f"cannot {self.doing} {self.location}"


_THROTTLES = frozenset({"ServerBusy", "TooManyRequests", "IngressOverAccountLimit"}) | {
    "EgressIsOverAccountLimit", "IngressIsOverAccountLimit", "TpsOverAccountLimit",
}  # fmt: skip
# A damaged or short body is the connection's doing: what was sent can be sent again.
_TRANSIENTS = frozenset({"InternalError", "OperationTimedOut", "Md5Mismatch", "Crc64Mismatch"})
_EXISTS = frozenset({"BlobAlreadyExists", "UnauthorizedBlobOverwrite", "ConditionNotMet"}) | {
    "TargetConditionNotMet", "BlobOverwritten",
}  # fmt: skip
_TIERS = frozenset({"InvalidBlobTier", "AccessTierNotSupportedForBlobType"}) | {
    "BlobAccessTierNotSupportedForAccountType", "BlobTierInadequateForContentLength",
}  # fmt: skip
_PROTECTED = frozenset({"BlobImmutableDueToPolicy", "BlobImmutableDueToLegalHold"}) | {
    "ContainerImmutableDueToPolicy", "OperationNotAllowedOnImmutableBlob",
}  # fmt: skip
_LEASED = frozenset({"LeaseIdMissing", "LeaseIdMismatchWithBlobOperation", "LeaseLost"})
_STALE = frozenset({"InvalidAuthenticationInfo", "ExpiredAuthenticationToken"})

# Errors that another try does not mend: what is wrong, and what to do.
_FIXED: Mapping[str, tuple[str, str]] = {
    "AccountIsDisabled": (
        "the storage account is disabled",
        "Look at the account's and the subscription's state in the portal; an unpaid subscription "
        "disables its accounts.",
    ),
    "AuthorizationFailure": (
        "the account does not let this machine in",
        "The account's firewall or private endpoint does not allow this network, or the "
        "signature is not right: look at Networking in the portal, and at the account key.",
    ),
    "IpAuthorizationSourceIPMismatch": (
        "the account does not let this address in",
        "Allow it under Networking of the storage account.",
    ),
    "KeyBasedAuthenticationNotPermitted": (
        "the storage account does not allow account keys",
        "Leave account_key out of the configuration, to have azure-identity asked, and give its "
        "identity a role on the container.",
    ),
    "AccountRequiresHttps": (
        "the storage account requires HTTPS",
        "Write the endpoint with https://.",
    ),
    "PublicAccessNotPermitted": ("no credentials were sent", CREDENTIALS_HINT),
    "NoAuthenticationInformation": ("no credentials were sent", CREDENTIALS_HINT),
    "InvalidResourceName": (
        "Azure does not allow this name",
        "Container names have 3 to 63 lower-case letters, digits and '-'.",
    ),
}


def judge(error: Exception, request: Request) -> ColdhaulError:
    """Return what a failure means to a user; ``TransientError`` where another try may mend it."""
    answer = answer_of(error)
    if answer.trouble:
        kind = type(error).__name__
        trouble = judge_trouble(answer.trouble, request.cannot, request.endpoint, kind, _HINTS)
        return trouble.about(request.items)
    return judge_answer(answer, request)


def judge_answer(answer: Answer, request: Request) -> ColdhaulError:
    """Return what an answer of the service means."""
    return _judge_answer(answer, request).about(request.items)


def _judge_answer(answer: Answer, request: Request) -> ColdhaulError:
    found = _judge_code(answer.code, request) or _judge_access(answer, request)
    if found is not None:
        return found
    if answer.status == 404:
        return NotFoundError(f"{request.location} is not there")
    if answer.status in {409, 412} and not answer.code:
        return _conflict(request)
    if answer.status in {429, 503}:
        return _throttled(answer, request)
    if answer.status in {408, 500, 502, 504}:
        return _failing(answer, request)
    said = f"{answer.status} {answer.code}".rstrip()
    return StoreError(
        f"{request.cannot}: the store answered {said}",
        hint=f"Look {answer.code} up in Azure's list of blob storage error codes."
        if answer.code
        else "Look at the endpoint in the configuration: it may not be that of a blob service.",
    )


def _judge_code(code: str, request: Request) -> ColdhaulError | None:
    if code in {"ContainerNotFound", "ContainerBeingDeleted", "ContainerDisabled"}:
        return missing_container(request)
    if code == "InvalidBlockList":
        return NotFoundError(f"the staged blocks of {request.location} are gone")
    if code in {"BlobArchived", "BlobBeingRehydrated"} and not request.is_write:
        return not_ready(request.location, "Archive", "")
    if code in _EXISTS or code == "BlobArchived":
        return _conflict(request)
    if code in _TIERS:
        return InputError(
            f"{request.cannot}: the account does not have this tier",
            hint="Choose storage_class and metadata_class among Hot, Cool, Cold and Archive; "
            "Archive needs an account with LRS, GRS or RA-GRS replication.",
        )
    if code in _PROTECTED:
        return StoreError(
            f"{request.cannot}: an immutability policy or a legal hold protects it",
            hint="Wait until the policy's time is over; a legal hold has to be lifted by whoever "
            "set it.",
        )
    if code in _LEASED:
        return StoreError(
            f"{request.cannot}: another tool holds a lease on it",
            hint="End that tool, or break the lease with `az storage blob lease break`.",
        )
    if code in _FIXED:
        reason, hint = _FIXED[code]
        return StoreError(f"{request.cannot}: {reason}", hint=hint)
    return None


def _judge_access(answer: Answer, request: Request) -> ColdhaulError | None:
    code = answer.code
    if code in _THROTTLES:
        return _throttled(answer, request)
    if code in _TRANSIENTS:
        return _failing(answer, request)
    if code == "AuthorizationPermissionMismatch" or (answer.status == 403 and not code):
        return StoreError(
            f"{request.cannot}: the role {request.role} is missing",
            hint=f"Give it to the identity of these credentials on the container "
            f"{request.container}; a new role takes up to ten minutes to work.",
        )
    if code in _STALE or (answer.status == 401 and not request.has_key):
        return TransientError(
            f"{request.cannot}: the credentials have expired, or are of another tenant",
            hint=CREDENTIALS_HINT,
            reaction=Reaction.REFRESH,
        )
    if code == "AuthenticationFailed" or answer.status == 401:
        return _not_authenticated(request)
    return None


def _not_authenticated(request: Request) -> TransientError:
    """A key may have been rotated, a token may have run out: worth fetching it anew, once."""
    if request.has_key:
        reason = "the account key is not that of this account"
        hint = "Look at account_key in the configuration: the key may have been rotated."
    else:
        reason, hint = "the store does not accept these credentials", CREDENTIALS_HINT
    return TransientError(
        f"{request.cannot}: {reason}",
        hint=f"{hint} A wrong clock has the same effect: Azure allows 15 minutes.",
        reaction=Reaction.REFRESH,
    )


def _conflict(request: Request) -> ConflictError:
    if request.is_write:
        return ConflictError(f"{request.location} exists already")
    return ConflictError(f"{request.location} is another object by now")


def _throttled(answer: Answer, request: Request) -> TransientError:
    said = answer.code or str(answer.status)
    return TransientError(
        f"{request.cannot}: the store asks for fewer requests ({said})",
        hint="Run fewer sessions against this account at once, or set a limit of bandwidth.",
        reaction=Reaction.SLOW_DOWN,
    )


def _failing(answer: Answer, request: Request) -> TransientError:
    return TransientError(
        f"{request.cannot}: the store failed with {answer.status} {answer.code}".rstrip(),
        hint="The store has a problem; look at Azure's status page.",
    )


def missing_container(request: Request) -> StoreError:
    """Return the error for a container that does not exist."""
    return StoreError(
        f"there is no container {request.container} at {request.endpoint}",
        hint=f"Create it (`az storage container create --name {request.container}`), or correct "
        "the URL or the endpoint in the configuration.",
    )


def not_ready(location: str, tier: str, status: str) -> NotReadyError:
    """Return the error for an archived blob; ``status`` says whether it is being rehydrated."""
    if status.startswith("rehydrate-pending"):
        hint = f"It is being rehydrated ({status}): wait some hours and run this again."
    else:
        hint = (
            "Rehydrate it (`az storage blob set-tier --tier Hot`), wait until it is done, and run "
            "this again."
        )
    return NotReadyError(f"{location} is in the tier {tier} and cannot be read yet", hint=hint)
