"""Each key of ``[proxy]`` and ``[notify.NAME]`` by itself."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from core.errors import InputError
from proxy.service_tables import HookUrl, NotifyTable, ProxyTable

MAIL = {"kind": "mail", "host": "mail.example.com", "from": "a@example.com", "to": ["b@c.de"]}


def test_a_proxy_has_defaults_that_work_on_one_machine() -> None:
    table = ProxyTable.model_validate({"name": "hq"})
    assert (str(table.time_zone), table.look_every, table.parallel) == ("UTC", 60, 1)
    assert str(table.listen) == "127.0.0.1:9464"
    assert table.log is None


def test_every_key_of_a_proxy_is_read() -> None:
    table = ProxyTable.model_validate(
        {
            "pool": "office",
            "time_zone": "Europe/Berlin",
            "look_every": "30 s",
            "listen": "",
            "log": "json",
            "parallel": 4,
        }
    )
    assert (table.pool, str(table.time_zone), table.look_every) == ("office", "Europe/Berlin", 30)
    assert (table.listen, table.log, table.parallel) == (None, "json", 4)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("time_zone", "Europe/Bern"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", ""),
        ("look_every", "often"),
        ("listen", "localhost:9464"),
        ("log", "xml"),
        ("parallel", 0),
        ("parallel", 17),
        ("parallel", True),
        ("parallel", "2"),
    ],
)
def test_what_a_key_cannot_be_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        ProxyTable.model_validate({"name": "hq", key: value})


def test_mail_is_encrypted_unless_told() -> None:
    table = NotifyTable.model_validate(MAIL)
    assert (table.security, table.port, table.sender) == ("starttls", None, "a@example.com")
    assert table.on == ("Failed", "Warning", "Error")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "pager"),
        ("on", "Failed"),
        ("on", []),
        ("on", ["Running"]),
        ("on", ["Failed", 3]),
        ("host", "mail example"),
        ("port", 0),
        ("port", 65536),
        ("security", "ssl"),
        ("user", "me"),
        ("from", "me\r\nBcc: all@example.com"),
        ("to", ["nobody"]),
        ("url", "ftp://example.com"),
        ("url", "https://"),
    ],
)
def test_what_a_notice_cannot_be_is_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        NotifyTable.model_validate({**MAIL, key: value})


def test_a_url_is_written_plainly_or_where_it_is(tmp_path: Path) -> None:
    plain = NotifyTable.model_validate({"kind": "webhook", "url": "https://h.example/secret"})
    assert plain.url is not None
    assert plain.url.read("notify.x.url") == "https://h.example/secret"
    assert "secret" not in repr(plain)
    path = tmp_path / "url"
    path.write_text("https://h.example/other\n")
    path.chmod(0o600)
    kept = NotifyTable.model_validate({"kind": "webhook", "url": f"file:{path}"})
    assert kept.url is not None
    assert kept.url.read("notify.x.url") == "https://h.example/other"


def test_a_reference_that_holds_no_url_is_refused_without_repeating_it(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    table = NotifyTable.model_validate({"kind": "webhook", "url": f"file:{path}"})
    assert isinstance(table.url, HookUrl)
    with pytest.raises(InputError, match="holds no URL") as caught:
        table.url.read("notify.x.url")
    assert "hunter2" not in str(caught.value)
