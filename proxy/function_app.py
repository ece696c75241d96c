"""One function app over HTTPS: requests as an identity, answers as documents, refusals as errors.

Every request here may be made twice: those that change something say for which attempt. What a
platform before the app answers is told apart from what the app itself does by its documents.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import (
    BearerTokenCredentialPolicy,
    ProxyPolicy,
    SansIOHTTPPolicy,
    UserAgentPolicy,
)
from azure.core.rest import HttpRequest, HttpResponse
from pydantic import BaseModel, ValidationError

from core.errors import InputError, NotFoundError
from core.limits import APPLIANCE_ANSWER_SIZE_MAX
from core.stores.azure_session import open_identity, open_transport, proxies
from core.stores.connecting import Connecting
from core.stores.pacing import Pacer
from core.stores.settings import StoreSettings
from proxy.function_app_errors import (
    Reply,
    Request,
    broken_off,
    is_sign_in_wanted,
    judge_reply,
    judge_trouble,
)
from proxy.version import own_version

Document = TypeVar("Document", bound=BaseModel)

_LET_IN = "X-MS-CLIENT-PRINCIPAL"
_ANYBODY = base64.b64encode(b'{"auth_typ": "aad", "claims": []}').decode()
_JSON = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A request as HTTP has it."""

    method: str
    path: str
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class FunctionApp:
    """The routes of one app. Connects when first needed; safe to share between threads."""

    def __init__(self, url: str, audience: str, settings: StoreSettings) -> None:
        """Ask nothing yet; of the settings count the identity and the way there."""
        self.url = url
        self.audience = audience
        self._settings = settings
        self._connecting = Connecting(self._connect, open_identity.cache_clear)
        self._pacer = Pacer(refresh=self._connecting.refresh)

    def get(self, doing: str, path: str, kind: type[Document]) -> Document:
        """Return the document at a path; ``doing`` says what for."""
        return self._pacer.run(lambda: self._ask(doing, _Call(method="GET", path=path), kind))

    def find(self, doing: str, path: str, kind: type[Document]) -> Document | None:
        """Return the document at a path, None when the app says that it is not there."""
        try:
            return self.get(doing, path, kind)
        except NotFoundError:
            return None

    def post(self, doing: str, path: str, body: Mapping[str, object]) -> None:
        """Order something that may be ordered twice."""
        call = _Call(method="POST", path=path, body=body)
        self._pacer.run(lambda: self._send(doing, call))

    def create(
        self, doing: str, path: str, body: Mapping[str, object], is_own: Callable[[], bool]
    ) -> None:
        """Order something that is done once.

        After a lost answer ``is_own`` says whether what is there already came of this order; it
        may ask by ``peek`` alone.
        """
        call = _Call(method="POST", path=path, body=body)
        self._pacer.create(
            lambda: self._send(doing, call) is not None, lambda: True if is_own() else None
        )

    def peek(self, doing: str, path: str, kind: type[Document]) -> Document | None:
        """Return what a path has, asked once and from within another request; None if nothing."""
        try:
            return self._ask(doing, _Call(method="GET", path=path), kind)
        except NotFoundError:
            return None

    def answers_anybody(self) -> bool:
        """Say whether the app answers who shows no token, and says itself that it was let in.

        What says so is a header that App Service authentication takes away from outside: where that
        is switched off, the app would believe it.
        """
        doing = "look at who may ask"
        call = _Call(method="GET", path="/api/deployment", headers={_LET_IN: _ANYBODY})

        def attempt() -> bool:
            with self._open([]) as client:
                reply = self._exchange(doing, call, client)
            if is_sign_in_wanted(reply):
                return False
            self._judge(doing, reply)
            return True

        return self._pacer.run(attempt)

    def _ask(self, doing: str, call: _Call, kind: type[Document]) -> Document:
        reply = self._send(doing, call)
        try:
            return kind.model_validate_json(reply.body)
        except ValidationError as error:
            # Of what came only the places are told: the rest may be anything.
            found = error.errors(include_url=False, include_input=False, include_context=False)
            wrong = sorted({str(each["loc"][0])[:40] if each["loc"] else "JSON" for each in found})
            raise InputError(
                f"cannot {doing}: what answers at {self.url} is no appliance of this version of "
                f"coldhaul ({', '.join(wrong[:10])})",
                hint="Correct appliance.url in the configuration, or deploy the appliance: "
                "'coldhaul appliance deploy' says how.",
            ) from None

    def _send(self, doing: str, call: _Call) -> Reply:
        # A plain one is a stand-in on this machine: the configuration takes no other.
        is_safe = urlsplit(self.url).scheme == "https"
        options = {} if is_safe else {"enforce_https": False}
        reply = self._exchange(doing, call, self._connecting.connection, **options)
        self._judge(doing, reply)
        return reply

    def _judge(self, doing: str, reply: Reply) -> None:
        failure = judge_reply(reply, self._request(doing))
        if failure is not None:
            raise failure

    def _exchange(
        self, doing: str, call: _Call, client: PipelineClient[Any, Any], **options: bool
    ) -> Reply:
        url = f"{self.url}{call.path}"
        headers = {**_JSON, **call.headers}
        request = HttpRequest(call.method, url, headers=headers, json=call.body)
        try:
            response = client.send_request(request, stream=True, **options)
        except AzureError as error:
            raise judge_trouble(error, self._request(doing)) from None
        try:
            return _read(response)
        except AzureError:
            # Whatever ended it early: what was cut is asked for again.
            raise broken_off(self._request(doing)) from None

    def _request(self, doing: str) -> Request:
        return Request(doing=doing, url=self.url, audience=self.audience)

    def _connect(self) -> PipelineClient[Any, Any]:
        identity = open_identity(self._settings.managed_identity, self._settings.http_proxy)
        scope = f"{self.audience}/.default"
        return self._open([BearerTokenCredentialPolicy(identity, scope)])

    def _open(
        self, policies: list[BearerTokenCredentialPolicy[Any, Any]]
    ) -> PipelineClient[Any, Any]:
        """Return a client that tries once and follows no redirection."""
        ways = proxies(self._settings.http_proxy) if self._settings.http_proxy else None
        before: list[SansIOHTTPPolicy[Any, Any]] = [
            UserAgentPolicy(base_user_agent=f"coldhaul/{own_version() or 'source'}"),
            ProxyPolicy(proxies=ways),
        ]
        return PipelineClient(
            self.url,
            policies=[*before, *policies],
            transport=open_transport(self._settings, self.url),
        )


def _read(response: HttpResponse) -> Reply:
    """Read an answer, but no more than any document of ours has."""
    body = b""
    try:
        for piece in response.iter_bytes():
            body += piece
            if len(body) > APPLIANCE_ANSWER_SIZE_MAX:
                break
    finally:
        response.close()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(status=response.status_code, headers=headers, body=body)
