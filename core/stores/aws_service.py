"""Requests of Amazon's services beside S3, and what they refuse, said so that a user can act.

What botocore logs when it is told to log everything has keys and secrets in it: it is kept from
that here, whatever a program's own logging asks for.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

from core.errors import ColdhaulError, InputError, StoreError
from core.stores.aws_session import REGION_DEFAULT, client_config, fetch_credentials, open_session
from core.stores.pacing import Pacer, Reaction, TransientError
from core.stores.s3_answers import BOTO_ERRORS, Answer, answer_of
from core.stores.s3_errors import CREDENTIALS_HINT, Request, judge
from core.stores.settings import StoreSettings

_THROTTLES = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_STALE = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_CREDENTIALS = frozenset(
    {
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)

# What a service's own codes mean; None for those that it does not know.
Judge = Callable[[Answer, Request], ColdhaulError | None]


class AwsService:
    """One service in one region. Connects when first needed; safe to share between threads.

    Of the settings of a store only who asks and the way there count: the endpoint is the store's.
    Without a region it is that of the settings, then that of boto3's configuration.
    """

    def __init__(
        self,
        name: str,
        region: str,
        settings: StoreSettings,
        judge_code: Judge,
        *,
        endpoint: str = "",
    ) -> None:
        """Touch nothing yet. ``endpoint`` is the service's own; empty for Amazon's."""
        self._name = name
        self._region = region
        self._settings = settings
        self._judge_code = judge_code
        self._endpoint = endpoint
        self._connecting = threading.Lock()
        self._connection: tuple[Any, Any] | None = None
        self._pacer = Pacer(refresh=self._forget)

    def call(
        self, request: Request, operation: str, fields: Sequence[str], **parameters: object
    ) -> dict[str, Any]:
        """Make a request by boto3's name for it, again while the service fails for a moment.

        An answer has one of ``fields``: botocore takes one that broke off for an empty one.
        """

        def attempt() -> dict[str, Any]:
            answer = self._attempt(request, operation, parameters)
            if not any(field in answer for field in fields):
                raise TransientError(
                    f"cannot {request.doing} {request.location}: the answer broke off",
                    hint="Look at the network between this machine and Amazon.",
                )
            return answer

        return self._pacer.run(attempt)

    def _attempt(
        self, request: Request, operation: str, parameters: dict[str, object]
    ) -> dict[str, Any]:
        client, credentials = self._connect(request)
        endpoint = str(client.meta.endpoint_url)
        # botocore would fetch them while it signs, where their errors are nobody's.
        fetch_credentials(request, endpoint, credentials.get_frozen_credentials)
        try:
            return cast("dict[str, Any]", getattr(client, operation)(**parameters))
        except BOTO_ERRORS as error:
            raise self._judge(error, request, endpoint) from error

    def _connect(self, request: Request) -> tuple[Any, Any]:
        with self._connecting:
            if self._connection is None:
                self._connection = self._open(request)
            return self._connection

    def _forget(self) -> None:
        with self._connecting:
            self._connection = None

    def _open(self, request: Request) -> tuple[Any, Any]:
        _silence_botocore()
        where = f"Amazon's {self._name}"
        try:
            session = open_session(self._settings, request, where)
            client = session.client(
                self._name,
                region_name=self._region or session.region_name or REGION_DEFAULT,
                endpoint_url=self._endpoint or None,
                verify=self._settings.ca_bundle or None,
                config=client_config(self._settings),
            )
        except BOTO_ERRORS as error:
            raise judge(error, request, where) from error
        except ValueError as error:
            # botocore's word for an endpoint that is no URL; it quotes nothing but that.
            raise InputError(
                f"cannot {request.doing} {request.location}: {error}",
                hint="AWS_ENDPOINT_URL and the like are written as https://host.",
            ) from error
        return client, session.get_credentials()

    def _judge(self, error: Exception, request: Request, endpoint: str) -> ColdhaulError:
        answer = answer_of(error)
        if answer.trouble or getattr(error, "operation_name", "").startswith("AssumeRole"):
            return judge(error, request, endpoint)
        return self._judge_code(answer, request) or judge_service(answer, request)


def judge_service(answer: Answer, request: Request) -> ColdhaulError:
    """Return what an answer means that any of the services may give."""
    cannot, code = f"cannot {request.doing} {request.location}", answer.code
    if code in _THROTTLES or answer.status == 429:
        return TransientError(
            f"{cannot}: the service asks for fewer requests ({code or answer.status})",
            hint="Ask Amazon for a larger quota if this comes often.",
            reaction=Reaction.SLOW_DOWN,
        )
    if code in _STALE:
        return TransientError(
            f"{cannot}: the credentials have expired",
            hint=CREDENTIALS_HINT,
            reaction=Reaction.REFRESH,
        )
    if code in _CREDENTIALS or answer.status == 401:
        return StoreError(
            f"{cannot}: Amazon does not accept these credentials ({code or answer.status})",
            hint=f"{CREDENTIALS_HINT} Look at this machine's clock too.",
        )
    if code in {"AccessDenied", "AccessDeniedException"} or answer.status == 403:
        return denied(request, request.permission)
    if answer.status >= 500:
        return TransientError(
            f"{cannot}: the service failed with {answer.status} {code}".rstrip(),
            hint="Look at https://health.aws.amazon.com for its state.",
        )
    return StoreError(f"{cannot}: the service answered {answer.status} {code}".rstrip())


def denied(request: Request, permission: str) -> StoreError:
    """Return the error for a permission that is missing."""
    return StoreError(
        f"cannot {request.doing} {request.location}: {permission} is not allowed",
        hint=f"Allow {permission} on {request.resource} to the identity of these credentials.",
    )


def _silence_botocore() -> None:
    logger = logging.getLogger("botocore")
    if logger.level < logging.INFO:
        logger.setLevel(logging.INFO)
