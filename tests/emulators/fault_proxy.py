"""An HTTP proxy between a client and an emulator that lets go wrong what a test says.

It forwards every byte as it came, the Host header too, so that signatures stay right. Each
connection of a client has a thread and a connection to the emulator of its own.
"""

import contextlib
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from tests.emulators import faults
from tests.emulators.faults import Delay, Refusal, Rule
from tests.emulators.operations import LISTINGS, OPERATIONS, Kind
from tests.emulators.restores import Restores
from tests.emulators.wire import (
    UNTIL_CLOSED,
    BrokenError,
    Request,
    Response,
    Tls,
    Wire,
    parse_request,
    read_response,
    without_header,
)

# Outcomes beside the names of faults.
FORWARDED = "forwarded"
HELD = "held"  # An order to restore something, which takes its time.
BROKEN = "broken"  # A side ended the connection in the middle, and no fault of ours.
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_SECRET_HEADERS = {"authorization", "x-amz-security-token"}
_JOIN_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was made, and what came of it. Header names are in lower case.

    ``credentials`` is of which kind they were, as HTTP calls it.
    """

    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    outcome: str
    status: int
    credentials: str = ""


class FaultProxy:
    """Answers at ``endpoint`` while it is entered.

    ``rules`` are tried in their order for each request; the first that strikes decides, delays
    aside, which add up with what follows. ``calls`` lists every request in the order of the
    answers.
    """

    def __init__(
        self,
        upstream: str,
        kind: Kind,
        rules: Iterable[Rule] = (),
        *,
        seed: int = 0,
        restores: Restores | None = None,
        tls: Tls | None = None,
    ) -> None:
        address = urlsplit(upstream)
        self._upstream = (address.hostname or "", address.port or 0)
        self._tls = tls
        self.kind: Kind = kind
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self._rules = list(rules)
        self.restores = restores
        self._listings: dict[tuple[str, ...], bytes] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        scheme = "https" if tls else "http"
        self._endpoint = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._open: set[Wire] = set()
        self.calls: list[Call] = []
        self.counts: Counter[tuple[str, str, str]] = Counter()

    @property
    def endpoint(self) -> str:
        """The URL to give to a client, without a path."""
        return self._endpoint

    @property
    def operations(self) -> Counter[str]:
        """How often each operation was asked for, whatever came of it."""
        with self._lock:
            return Counter(call.operation for call in self.calls)

    @property
    def outcomes(self) -> Counter[str]:
        """How often each outcome was, by the names of faults; ``forwarded`` is none."""
        counts: Counter[str] = Counter()
        with self._lock:
            for (_, _, outcome), count in self.counts.items():
                counts[outcome] += count
        return counts

    @property
    def remembers_listings(self) -> bool:
        """Whether listings may have to be shown again."""
        with self._lock:
            return any(rule.fault is faults.LATE_LISTING for rule in self._rules)

    def add(self, *rules: Rule) -> None:
        """Let more go wrong from now on."""
        with self._lock:
            self._rules.extend(rules)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        with self._lock:
            self._rules.clear()

    def complete_restores(self) -> None:
        """Let the orders of archived objects through that were held until now."""
        assert self.restores is not None, "this proxy holds no restores"
        for order in self.restores.take():
            wire = self.connect()
            wire.send(order.data)
            response = read_response(wire, "PUT")
            self.closed(wire)
            assert response.status < 300, f"the emulator refused {order.path}: {response.status}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            wires = list(self._open)
        for wire in wires:
            with contextlib.suppress(OSError):
                wire.interrupt()
        for thread in list(self._threads):
            thread.join(_JOIN_SECONDS)

    # --- What connections ask ------------------------------------------------------------------

    def decide(self, operation: str, request: Request) -> Rule | None:
        """Return the rule that strikes a request, having waited where one says so."""
        decided, wait = None, 0.0
        with self._lock:
            for rule in self._rules:
                if not rule.fits(operation, request.method, request.path, request.query):
                    continue
                if not rule.strikes(self._chance, request.method, request.path):
                    continue
                if not isinstance(rule.fault, Delay):
                    decided = rule
                    break
                wait += rule.fault.seconds
                self.counts[request.method, operation, rule.fault.name] += 1
        time.sleep(wait)
        return decided

    def give_back(self, rule: Rule) -> None:
        """Let a rule strike once more, as it could not this time."""
        with self._lock:
            rule.give_back()

    def record(self, operation: str, request: Request, outcome: str, status: int) -> None:
        """Note what was asked and what came of it."""
        headers = {
            name: value for name, value in request.headers.items() if name not in _SECRET_HEADERS
        }
        credentials, has_more, _ = request.headers.get("authorization", "").partition(" ")
        call = Call(
            operation=operation,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=headers,
            outcome=outcome,
            status=status,
            credentials=credentials if has_more else "",
        )
        with self._lock:
            self.calls.append(call)
        self.count(operation, request, outcome)

    def count(self, operation: str, request: Request, outcome: str) -> None:
        """Count what came of a request."""
        with self._lock:
            self.counts[request.method, operation, outcome] += 1

    def remembered(self, request: Request) -> bytes | None:
        """Return an earlier answer to the same listing."""
        with self._lock:
            return self._listings.get(_listing_key(request))

    def remember(self, request: Request, answer: bytes) -> None:
        """Keep the answer to a listing for later."""
        with self._lock:
            self._listings[_listing_key(request)] = answer

    def connect(self) -> Wire:
        """Return a new connection to the emulator."""
        made = socket.create_connection(self._upstream)
        return self.opened(
            Wire(self._tls.connected(made, self._upstream[0]) if self._tls else made)
        )

    def opened(self, wire: Wire) -> Wire:
        """Have a connection ended with the proxy."""
        with self._lock:
            self._open.add(wire)
        return wire

    def closed(self, wire: Wire) -> None:
        """Forget a connection that has ended."""
        wire.close()
        with self._lock:
            self._open.discard(wire)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        with self._lock:
            self._threads = [thread, *(each for each in self._threads if each.is_alive())]
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            client = Wire(self._tls.accepted(connection) if self._tls else connection)
            self._start(_Connection(self, self.opened(client)).serve)


class _Connection:
    """One client's connection: request after request, until either side ends it."""

    def __init__(self, proxy: FaultProxy, client: Wire) -> None:
        self._proxy = proxy
        self._client = client
        self._upstream: Wire | None = None

    def serve(self) -> None:
        """Answer requests until there are no more."""
        try:
            while (raw := self._client.read_head()) is not None:
                if not self._exchange(parse_request(raw)):
                    break
        except (OSError, BrokenError):
            self._client.reset()  # ``_exchange`` has counted it, if it was in a request.
        finally:
            self._proxy.closed(self._client)
            self._drop_upstream()

    def _exchange(self, request: Request) -> bool:
        """Answer one request; say whether the connection can go on."""
        proxy = self._proxy
        operation = OPERATIONS[proxy.kind](
            request.method, request.path, request.query, request.headers
        )
        rule = proxy.decide(operation, request)
        try:
            goes_on = self._act(operation, request, rule)
        except (OSError, BrokenError):
            proxy.count(operation, request, BROKEN)
            raise
        return goes_on and request.headers.get("connection", "").lower() != "close"

    def _act(self, operation: str, request: Request, rule: Rule | None) -> bool:
        """Do what a rule says, or else forward. Whoever has its answer finds it in the records."""
        fault = rule.fault if rule else None
        proxy = self._proxy
        if isinstance(fault, Refusal):
            proxy.record(operation, request, fault.name, fault.status)
            return self._refuse(request, fault.encode(proxy.kind, request.method))
        if fault is faults.RESET_BEFORE:
            proxy.record(operation, request, fault.name, 0)
            self._client.reset()
            return False
        if fault is faults.LATE_LISTING and (answer := proxy.remembered(request)):
            proxy.record(operation, request, fault.name, 200)
            self._client.send(answer)
            return True
        if proxy.restores and proxy.restores.is_order(operation, request):
            answer = proxy.restores.order(request, b"".join(self._request_body(request)))
            proxy.record(operation, request, HELD, int(answer.split(b" ", 2)[1]))
            self._client.send(answer)
            return True
        return self._forward(operation, request, rule)

    def _refuse(self, request: Request, answer: bytes) -> bool:
        """Answer without the emulator; a body that waits to be asked for is not asked for."""
        is_waiting = request.is_expecting
        if not is_waiting:
            for _ in self._client.read_body(request.body_size):
                pass
        self._client.send(answer)
        return not is_waiting

    # --- Forwarding ------------------------------------------------------------------------------

    def _forward(self, operation: str, request: Request, rule: Rule | None) -> bool:
        response = self._ask(request)
        if self._proxy.restores:
            response = self._proxy.restores.describe(operation, request, response)
        assert self._upstream is not None
        body = self._upstream.read_body(response.body_size)
        goes_on = self._pass_on(operation, request, rule, response, body)
        is_last = response.headers.get("connection", "").lower() == "close"
        if is_last or response.body_size == UNTIL_CLOSED:
            self._drop_upstream()
            return False
        return goes_on

    def _pass_on(
        self,
        operation: str,
        request: Request,
        rule: Rule | None,
        response: Response,
        body: Iterator[bytes],
    ) -> bool:
        """Send an answer on, or what a fault leaves of it."""
        fault = rule.fault if rule else None
        proxy = self._proxy
        if fault is faults.RESET_AFTER:
            for _ in body:
                pass
            proxy.record(operation, request, fault.name, response.status)
            self._client.reset()
            return False
        if fault is faults.CUT_BODY and response.body_size != 0:
            data = b"".join(body)
            proxy.record(operation, request, fault.name, response.status)
            self._client.send(response.raw + data[: len(data) // 2])
            return False
        if rule and fault in (faults.CUT_BODY, faults.LATE_LISTING):
            proxy.give_back(rule)
        if operation in LISTINGS and proxy.remembers_listings:
            data = b"".join(body)
            proxy.remember(request, response.raw + data)
            body = iter([data])
        proxy.record(operation, request, FORWARDED, response.status)
        _send(self._client, response.raw, body)
        return True

    def _ask(self, request: Request) -> Response:
        """Send a request on and return the head of the answer."""
        if self._upstream is not None and self._upstream.is_over():
            self._drop_upstream()
        if self._upstream is None:
            self._upstream = self._proxy.connect()
        body = self._request_body(request)
        try:
            _send(self._upstream, without_header(request.raw, "expect"), body)
        except OSError:
            # An answer that came before the end of the request; the client shall read it.
            for _ in body:
                pass
        return read_response(self._upstream, request.method)

    def _request_body(self, request: Request) -> Iterator[bytes]:
        if request.is_expecting:
            self._client.send(_CONTINUE)
        return self._client.read_body(request.body_size)

    def _drop_upstream(self) -> None:
        if self._upstream is not None:
            self._proxy.closed(self._upstream)
            self._upstream = None


def _send(wire: Wire, head: bytes, body: Iterator[bytes]) -> None:
    """Send a message; a small one in one packet."""
    wire.send(head + next(body, b""))
    for data in body:
        wire.send(data)


def _listing_key(request: Request) -> tuple[str, ...]:
    words = (f"{name}={value}" for name, value in request.query.items())
    signed = ("X-Amz-", "sig=", "se=", "st=")
    return (request.path, *sorted(word for word in words if not word.startswith(signed)))
