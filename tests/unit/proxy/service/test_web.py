"""The HTTP server: health by status and words, metrics as text, nothing else."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import StoreError
from proxy.listening import ListenPlace
from proxy.service.web import serving

ANYWHERE = ListenPlace(address="127.0.0.1", port=0)


def ask(place: ListenPlace, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://{place}{path}", timeout=60) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_health_is_told_by_status_and_in_words() -> None:
    document: dict[str, Any] = {"is_healthy": True, "jobs": []}

    def health() -> Mapping[str, Any]:
        return document

    with serving(ANYWHERE, health, lambda: b"") as place:
        assert place.port > 0
        status, kind, text = ask(place, "/health")
        assert (status, kind, json.loads(text)) == (200, "application/json", document)
        document["is_healthy"] = False
        assert ask(place, "/health?verbose=1")[0] == 503


def test_metrics_are_text_and_other_paths_are_not_there() -> None:
    with serving(ANYWHERE, lambda: {"is_healthy": True}, lambda: b"a 1\n") as place:
        status, kind, text = ask(place, "/metrics")
        assert (status, text) == (200, "a 1\n")
        assert kind.startswith("text/plain; version=")
        assert ask(place, "/")[0] == 404


def test_a_client_that_leaves_early_harms_nobody() -> None:
    with serving(ANYWHERE, lambda: {"is_healthy": True}, lambda: b"a 1\n") as place:
        with socket.create_connection((place.address, place.port)) as client:
            client.sendall(b"GET /metr")
        assert ask(place, "/metrics")[0] == 200


def test_a_place_that_is_taken_is_an_error_with_what_to_do() -> None:
    with serving(ANYWHERE, lambda: {"is_healthy": True}, lambda: b"") as place:
        with pytest.raises(StoreError, match="cannot listen at") as caught:
            serving(place, lambda: {"is_healthy": True}, lambda: b"").__enter__()
        assert "proxy.listen" in caught.value.hint
