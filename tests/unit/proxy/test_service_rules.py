"""What keys of the service's tables say together."""

from typing import Any

from proxy.service_rules import check_notices, check_proxy

HOOK = {"kind": "webhook", "url": "https://h.example/x"}
MAIL = {"kind": "mail", "host": "m.example.com", "from": "a@b.cd", "to": ["e@f.gh"]}


def notices(table: dict[str, Any], **job: object) -> list[str]:
    return list(check_notices({"ops": table}, {"nightly": job}))


def test_a_proxy_has_a_name_or_a_pool() -> None:
    assert list(check_proxy({"name": "hq"})) == []
    assert list(check_proxy({"pool": "office"})) == []
    assert list(check_proxy(None)) == []
    (neither,) = check_proxy({})
    assert neither.startswith("proxy: it has neither")
    (both,) = check_proxy({"name": "hq", "pool": "office"})
    assert both.startswith('proxy.pool = "office"')


def test_each_kind_has_the_keys_that_it_needs() -> None:
    assert notices(HOOK) == []
    assert notices(MAIL) == []
    (url,) = notices({"kind": "webhook"})
    assert url.startswith("notify.ops.url: it is missing")
    said = notices({"kind": "mail"})
    assert [line.split(":")[0] for line in said] == [
        "notify.ops.host",
        "notify.ops.from",
        "notify.ops.to",
    ]


def test_a_key_of_another_kind_is_refused() -> None:
    (line,) = notices({**HOOK, "host": "m.example.com"})
    assert line.startswith('notify.ops.host = "m.example.com": a webhook has no such key')
    (hidden,) = notices({**MAIL, "url": "https://h.example/hunter2"})
    assert hidden.startswith("notify.ops.url = (hidden)")


def test_a_password_needs_a_user_and_an_encrypted_way() -> None:
    (line,) = notices({**MAIL, "user": "env:U"})
    assert line.startswith("notify.ops.password: it is missing beside user")
    (line,) = notices({**MAIL, "password": "env:P"})
    assert line.startswith("notify.ops.user: it is missing beside password")
    login = {**MAIL, "user": "env:U", "password": "env:P"}
    assert notices(login) == []
    (line,) = notices({**login, "security": "none"})
    assert line.startswith('notify.ops.security = "none"')


def test_a_job_names_what_is_declared() -> None:
    assert notices(HOOK, notify=["ops"]) == []
    (line,) = notices(HOOK, notify=["opps"])
    assert line.startswith("jobs.nightly.notify = (an array): [notify.opps] is not declared")
    assert "did you mean 'ops'?" in line
    (line,) = check_notices({}, {"nightly": {"notify": ["ops"]}})
    assert "begin it with [notify.ops]" in line
