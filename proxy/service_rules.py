"""What the keys of ``[proxy]``, ``[notify.NAME]`` and the jobs' ``notify`` say together.

Judged on the tables as they were written; the functions return lines and raise nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from proxy.problems import key_path, problem
from proxy.service_tables import NotifyKind, Security
from proxy.suggestion import suggest

_COMMON = {"kind", "on"}
_KEYS = {
    NotifyKind.WEBHOOK: {"url"},
    NotifyKind.MAIL: {"host", "port", "security", "user", "password", "from", "to"},
}
_NEEDED = {
    NotifyKind.WEBHOOK: {"url": 'say where to send to, as in url = "env:HOOK_URL"'},
    NotifyKind.MAIL: {
        "host": 'say which server sends, as in host = "mail.example.com"',
        "from": 'say who sends, as in from = "backup@example.com"',
        "to": 'say who receives, as in to = ["admin@example.com"]',
    },
}


def check_proxy(proxy: object) -> Iterator[str]:
    """Check that a proxy says which jobs it runs."""
    if not isinstance(proxy, dict):
        return
    if "name" in proxy and "pool" in proxy:
        hint = "keep one of name and pool"
        yield problem(("proxy", "pool"), proxy["pool"], "there is a name as well", hint)
    elif "name" not in proxy and "pool" not in proxy:
        hint = 'write the one that repositories name, as in name = "hq"'
        yield f"proxy: it has neither name nor pool; {hint}"


def check_notices(notify: Mapping[str, Any], jobs: Mapping[str, Any]) -> Iterator[str]:
    """Check each table of ``notify`` for the keys of its kind, and that jobs name these tables."""
    for name, table in notify.items():
        if isinstance(table, dict) and table.get("kind") in list(NotifyKind):
            yield from _check_keys(name, NotifyKind(table["kind"]), table)
            yield from _check_login(name, table)
    for name, job in jobs.items():
        named = job.get("notify") if isinstance(job, dict) else None
        for each in named if isinstance(named, list) else ():
            if isinstance(each, str) and each not in notify:
                what = f"[notify.{each}] is not declared"
                hint = suggest(each, notify) if notify else f"begin it with [notify.{each}]"
                yield problem(("jobs", name, "notify"), named, what, hint)


def _check_keys(name: str, kind: NotifyKind, table: Mapping[str, Any]) -> Iterator[str]:
    for key, hint in _NEEDED[kind].items():
        if key not in table:
            yield f"{key_path(('notify', name, key))}: it is missing; {hint}"
    others = set().union(*_KEYS.values()) - _KEYS[kind] - _COMMON
    for key in sorted(others & table.keys()):
        what = f"a {kind} has no such key"
        yield problem(("notify", name, key), table[key], what, "remove it")


def _check_login(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    for key, other in (("user", "password"), ("password", "user")):
        if key in table and other not in table:
            hint = "give both, or neither"
            yield f"{key_path(('notify', name, other))}: it is missing beside {key}; {hint}"
    if table.get("security") == Security.NONE and "password" in table:
        what = "the password would be sent for everybody to read"
        hint = "write 'starttls' or 'tls', or remove user and password"
        yield problem(("notify", name, "security"), table["security"], what, hint)
