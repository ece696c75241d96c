"""The command of the service. What the service does: tests/cli, and beside its modules."""

import signal

from tests.cli.place import Place
from tests.cli.service import declare_proxy


def test_without_a_proxy_in_the_configuration_it_is_refused(place: Place) -> None:
    error = place.json("proxy", "run", code=2)["error"]
    assert "[proxy]" in error["message"]
    assert 'name = "hq"' in error["hint"]


def test_it_ends_with_the_signal_and_says_how_much_it_did(place: Place) -> None:
    declare_proxy(place)
    process = place.start("proxy", "run", "--json")
    assert process.stderr is not None
    for line in process.stderr:
        if "proxy started" in line:
            process.send_signal(signal.SIGTERM)
            break
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert '"run_count": 0' in out
    assert '"signal": "SIGTERM"' in err


def test_people_read_events_as_text_when_they_ask(place: Place) -> None:
    declare_proxy(place)
    place.edit('log = "json"', 'log = "text"')
    process = place.start("proxy", "run")
    assert process.stderr is not None
    for line in process.stderr:
        if "proxy started" in line:
            assert "info proxy started proxy=hq" in line
            process.send_signal(signal.SIGINT)
            break
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == "The proxy has ended after 0 runs of sessions.\n"
