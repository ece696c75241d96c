"""What has been seen, by a clock that nobody else sets."""

from core.ids import SessionId
from proxy.service.observer import Observer

A, B = SessionId("a" * 32), SessionId("b" * 32)


def test_what_has_not_changed_is_idle_since_it_was_first_seen() -> None:
    now = [100.0]
    observer = Observer(lambda: now[0])
    assert observer.idle_seconds(A, "1") == 0
    now[0] = 160.0
    assert observer.idle_seconds(A, "1") == 60
    assert observer.idle_seconds(B, "1") == 0
    now[0] = 170.0
    assert observer.idle_seconds(A, "2") == 0
    now[0] = 175.0
    assert (observer.idle_seconds(A, "2"), observer.idle_seconds(B, "1")) == (5, 15)


def test_what_is_forgotten_is_seen_for_the_first_time_again() -> None:
    now = [100.0]
    observer = Observer(lambda: now[0])
    observer.idle_seconds(A, "1")
    observer.idle_seconds(B, "1")
    now[0] = 160.0
    observer.forget_others([B])
    assert (observer.idle_seconds(A, "1"), observer.idle_seconds(B, "1")) == (0, 60)
