"""Who asks an appliance, by which way, and at which endpoint."""

from pathlib import Path

import pytest

from core.errors import InputError
from proxy.appliance_deploy import DeployedJob, End
from proxy.appliance_opening import appliance_settings, open_appliance, plan_deployment
from proxy.config import Config, load_config
from proxy.store_settings import store_settings

CONFIG = """\
version = 1

[stores.objects]
endpoint = "https://bucket.vpce-1.s3.eu-central-1.vpce.amazonaws.com"
profile = "copies"
http_proxy = "http://proxy.example.com:3128"

[stores.control]
endpoint = "http://127.0.0.1:4566"
role_arn = "arn:aws:iam::123456789012:role/starter"

[repositories.vault]
url = "s3://copies/vault"
store = "objects"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
appliance = {{ kind = "aws", stack = "coldhaul-vault", region = "eu-central-1"{store} }}
"""
IN_AZURE = """\
version = 1

[stores.objects]
endpoint = "https://copies.blob.core.windows.net"
managed_identity = "00000000-0000-0000-0000-000000000001"
http_proxy = "http://proxy.example.com:3128"

[stores.control]
managed_identity = "00000000-0000-0000-0000-000000000002"

[repositories.vault]
url = "az://copies/vault"
store = "objects"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
appliance = {{ kind = "azure", url = "https://app.azurewebsites.net", audience = "api://x"{store} }}
"""


IN_GROUP = ', resource_group = "coldhaul"'
PROXY = {"proxyPrincipalIds": '["1a2b"]'}


def config(folder: Path, store: str = "", text: str = CONFIG) -> Config:
    path = folder / "coldhaul.toml"
    path.write_text(text.format(store=store))
    return load_config(path)


def test_the_repository_s_credentials_go_to_amazon_s_own_endpoint(tmp_path: Path) -> None:
    loaded = config(tmp_path)
    settings = appliance_settings(loaded, loaded.repository("vault"))
    assert (settings.profile, settings.endpoint) == ("copies", "")
    assert settings.http_proxy == "http://proxy.example.com:3128"


def test_a_store_of_its_own_says_all_of_it(tmp_path: Path) -> None:
    loaded = config(tmp_path, ', store = "control"')
    settings = appliance_settings(loaded, loaded.repository("vault"))
    assert (settings.profile, settings.endpoint) == ("", "http://127.0.0.1:4566")
    assert settings.role_arn.endswith(":role/starter")


@pytest.mark.parametrize("store", ["", ', store = "control"'])
def test_it_is_a_client_of_the_stack(tmp_path: Path, store: str) -> None:
    loaded = config(tmp_path, store)
    appliance = open_appliance(loaded, loaded.repository("vault"))
    assert appliance.kind == "aws"
    assert appliance.place == "the stack coldhaul-vault in eu-central-1"


@pytest.mark.parametrize("store", ["", ', store = "control"'])
def test_it_is_a_client_of_the_app(tmp_path: Path, store: str) -> None:
    loaded = config(tmp_path, store, IN_AZURE)
    appliance = open_appliance(loaded, loaded.repository("vault"))
    assert appliance.kind == "azure"
    assert appliance.place == "the function app at https://app.azurewebsites.net"


def test_an_app_is_asked_as_the_repository_s_identity_or_as_another(tmp_path: Path) -> None:
    loaded = config(tmp_path, "", IN_AZURE)
    settings = appliance_settings(loaded, loaded.repository("vault"))
    assert (settings.managed_identity[-1], settings.endpoint) == ("1", "")
    assert settings.http_proxy == "http://proxy.example.com:3128"
    loaded = config(tmp_path, ', store = "control"', IN_AZURE)
    settings = appliance_settings(loaded, loaded.repository("vault"))
    assert (settings.managed_identity[-1], settings.http_proxy) == ("2", "")


def test_how_it_is_deployed_is_of_its_kind(tmp_path: Path) -> None:
    loaded = config(tmp_path)
    with pytest.raises(InputError, match="functions could not work"):
        # Nothing but its kind decides who refuses what cannot be reached.
        plan_deployment(loaded, job(loaded, "file:///srv/primary"), {})
    azure = config(tmp_path, IN_GROUP, IN_AZURE)
    procedure = plan_deployment(azure, job(azure, "az://copies/primary"), {**PROXY, "maximum": "7"})
    assert procedure.called == "app in the resource group coldhaul"
    assert procedure.parameters["maximum"] == "7"
    without = config(tmp_path, "", IN_AZURE)
    with pytest.raises(InputError, match="which resource group") as caught:
        plan_deployment(without, job(without, "az://copies/primary"), {})
    assert "[repositories.vault.appliance]" in caught.value.hint


@pytest.mark.parametrize("options", ["", IN_GROUP])
def test_parameters_of_the_configuration_are_set_each_time(tmp_path: Path, options: str) -> None:
    text, place = (IN_AZURE, "az://copies/primary") if options else (CONFIG, "s3://copies/primary")
    said = f"{options}, parameters = {{ proxyPrincipalIds = '[]', size = '7', name = 'a b' }}"
    loaded = config(tmp_path, said, text)
    procedure = plan_deployment(loaded, job(loaded, place), {"size": "9"})
    found = {name: procedure.parameters[name] for name in ("proxyPrincipalIds", "size", "name")}
    assert found == {"proxyPrincipalIds": "[]", "size": "9", "name": "a b"}


def test_an_app_that_would_obey_nobody_is_not_deployed_unsaid(tmp_path: Path) -> None:
    azure = config(tmp_path, IN_GROUP, IN_AZURE)
    with pytest.raises(InputError, match="functions could not work") as caught:
        plan_deployment(azure, job(azure, "az://copies/primary"), {})
    (problem,) = caught.value.problems
    assert problem.startswith("repositories.vault.appliance.parameters.proxyPrincipalIds: ")
    assert "as in proxyPrincipalIds = '[\"OBJECT_ID\"]'" in problem


def job(loaded: Config, source: str) -> DeployedJob:
    """Return a job from a place to the vault."""
    target = loaded.repository("vault")
    table = target.model_copy(update={"url": source, "appliance": None})
    settings = store_settings(loaded, table)
    return DeployedJob(
        name="nightly",
        source=End(name="primary", table=table, settings=settings),
        target=End(name="vault", table=target, settings=store_settings(loaded, target)),
    )
