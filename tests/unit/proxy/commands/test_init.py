"""``init`` writes a configuration that is valid as it stands, once."""

from pathlib import Path

from proxy.config import load_config
from tests.cli.place import Place


def test_init_writes_a_valid_configuration(place: Place) -> None:
    place.config.unlink()
    answer = place.done("init")
    assert "repository create primary" in answer.out
    config = load_config(place.config)
    assert set(config.repositories) == {"primary", "vault"}
    assert config.repository("vault").encryption is not None


def test_init_tells_programs_where(place: Place, tmp_path: Path) -> None:
    place.config.unlink()
    assert place.json("init") == {"config": str(tmp_path / "coldhaul.toml")}


def test_init_refuses_to_overwrite(place: Place) -> None:
    before = place.config.read_text()
    answer = place.run("init")
    assert answer.code == 4
    assert "exists already" in answer.err
    assert place.config.read_text() == before


def test_init_says_where_it_cannot_write(place: Place) -> None:
    place.config = place.root / "no" / "folder" / "coldhaul.toml"
    answer = place.run("init")
    assert answer.code == 6
    assert "cannot be written" in answer.err
