"""Commands of the vendors' tools: how they are written, and the sources that they need."""

from pathlib import Path

import pytest

from core.errors import InputError
from proxy.appliance_deploy import Command, check_source_tree, parse_overrides
from proxy.version import own_version


def test_further_parameters_are_read_as_they_stand() -> None:
    assert parse_overrides(["MaxConcurrency=20", "Schedule=rate(1 day)", "AlarmEmail="]) == {
        "MaxConcurrency": "20",
        "Schedule": "rate(1 day)",
        "AlarmEmail": "",
    }


@pytest.mark.parametrize("text", ["MaxConcurrency", "=20", "Max-Concurrency=20", ""])
def test_what_names_no_parameter_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="names no parameter") as caught:
        parse_overrides([text])
    assert "--set MaxConcurrency=20" in caught.value.hint


@pytest.mark.parametrize("template", ["template.yaml", "infra/azure/main.bicep"])
def test_only_the_sources_of_this_version_are_deployed(tmp_path: Path, template: str) -> None:
    with pytest.raises(InputError, match=f"no {template} in") as caught:
        check_source_tree(tmp_path, template)
    assert "--source" in caught.value.hint
    (tmp_path / template).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / template).write_text("Resources: {}\n")
    with pytest.raises(InputError, match="of version unknown"):
        check_source_tree(tmp_path, template)
    project = tmp_path / "pyproject.toml"
    project.write_text('[project]\nversion = "9.9.9"\n')
    with pytest.raises(InputError, match=r"of version 9\.9\.9, and this is 0\.1\.0"):
        check_source_tree(tmp_path, template)
    project.write_text(f'[project]\nversion = "{own_version()}"\n')
    check_source_tree(tmp_path, template)


def test_a_command_is_written_as_a_shell_takes_it() -> None:
    assert Command(arguments=["sam", "a b"]).line == "sam 'a b'"
