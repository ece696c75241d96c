"""A configuration is refused whole: every problem with its key, its value and what to do."""

import re
from pathlib import Path

import pytest

from core.errors import InputError, NotFoundError
from core.model import RetentionType
from proxy.commands.init import STARTER
from proxy.config import Config, load_config

GOOD = """\
version = 1

[repositories.primary]
url = "file:///srv/backups/primary"
proxy = "hq"
retention_type = "snapshot-based"
retention = "1 year"

[repositories.vault]
url = "file:///srv/vault"
proxy = "hq"
retention_type = "snapshot-based"
retention = "7 years"
encryption.passphrase = "env:VAULT_PASSPHRASE"

[jobs.nightly]
source = "primary"
target = "vault"
schedule = "daily 22:00"
"""

PRIMARY = '[repositories.primary]\nurl = "file:///srv/backups/primary"\nproxy = "hq"\n'
OTHER_JOB = '\n[jobs.other]\nsource = "primary"\ntarget = "vault"\nschedule = "immediate"\n'
STORES = """
[stores.cloud]
endpoint = "https://s3.example.com"

[stores.account]
endpoint = "https://me.blob.core.windows.net"
"""
THIRD = """
[repositories.third]
url = "file:///srv/third"
proxy = "hq"
retention_type = "snapshot-based"
retention = "forever"
"""


def load_text(folder: Path, text: str) -> Config:
    path = folder / "coldhaul.toml"
    path.write_text(text)
    return load_config(path)


def problems_of(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_text(folder, text)
    assert caught.value.hint
    return list(caught.value.problems)


def test_the_example_of_the_documentation_is_valid(tmp_path: Path) -> None:
    config = load_text(tmp_path, GOOD)
    vault = config.repository("vault")
    assert vault.url == "file:///srv/vault"
    assert not vault.is_bucket
    assert vault.retention_type is RetentionType.SNAPSHOT_BASED
    assert str(vault.retention) == "7 years"
    assert vault.encryption is not None
    assert str(vault.encryption.passphrase) == "env:VAULT_PASSPHRASE"
    assert config.repository("primary").encryption is None
    job = config.job("nightly")
    assert (job.source, job.target, str(job.schedule)) == ("primary", "vault", "daily 22:00")
    assert (job.allow_damaged, job.fallback) == (False, False)


def test_what_init_writes_is_valid(tmp_path: Path) -> None:
    assert load_text(tmp_path, STARTER).job("nightly").target == "vault"


def test_the_examples_of_what_init_writes_are_valid_together(tmp_path: Path) -> None:
    config = load_text(tmp_path, re.sub(r"(?m)^#(?=\S)", "", STARTER))
    assert set(config.stores) == {"amazon", "compatible", "azure"}
    assert set(config.repositories) == {"primary", "vault", "glacier", "archive", "restic"}
    assert config.repository("restic").is_bucket
    assert set(config.jobs) == {"nightly", "restic"}
    assert config.proxy is not None
    assert set(config.notify) == {"ops"}


def test_jobs_may_come_later(tmp_path: Path) -> None:
    assert load_text(tmp_path, GOOD.split("[jobs.")[0]).jobs == {}


# What is replaced in GOOD, by what, and what the one problem says: key, value, what to do.
ONE_PROBLEM = [
    ("version = 1\n", "", ["version: it is missing", "version = 1"]),
    ("version = 1", 'version = "1"', ['version = "1"', "write: version = 1"]),
    ("version = 1", "version = true", ["version = true", "write: version = 1"]),
    ("version = 1", "version = 0", ["version = 0", "write: version = 1"]),
    ("version = 1", "version = 2", ["version = 2", "newer", "use a newer coldhaul"]),
    ("version = 1", 'version = 1\nverison = "x"', ['verison = "x"', "did you mean 'version'?"]),
    ('[repositories.primary]', '[repositories."my repo"]\nurl = "file:///srv/m"\nproxy = "hq"\n'
     'retention_type = "item-level"\nretention = "1 year"\n[repositories.primary]',
     ['repositories."my repo"', "cannot be a name", "letters, digits"]),
    ('url = "file:///srv/vault"\n', "", ["repositories.vault.url: it is missing", "file:///"]),
    ("file:///srv/vault", "az://copies/p",
     ['url = "az://copies/p"', "which account", "[stores.NAME]", "blob.core.windows.net"]),
    ("file:///srv/vault", "s3://Bucket/p", ['url = "s3://Bucket/p"', "cannot be the name"]),
    ("file:///srv/vault", "ftp://srv/p", ['url = "ftp://srv/p"', "not a kind of store", "s3://"]),
    ("file:///srv/vault", "/srv/vault", ['url = "/srv/vault"', "not a URL", "file:///"]),
    ("file:///srv/vault", "s3://id:hunter2@b/p",
     ["url = (hidden)", "before the first slash", "[stores.NAME]"]),
    ("file:///srv/vault", "az://copies?sig=hunter2", ["url = (hidden)", "'?'", "CONTAINER/PREFIX"]),
    ("file:///srv/vault", "az://copies/p?sig=hunter2", ["url = (hidden)", "without a query"]),
    ('"file:///srv/vault"', "7", ["repositories.vault.url = 7", "has to be text", "quotes"]),
    ('proxy = "hq"\nretention_type = "snapshot-based"\nretention = "7',
     'retention_type = "snapshot-based"\nretention = "7',
     ["repositories.vault:", "neither proxy nor proxy_pool", 'proxy = "hq"']),
    ('retention = "7 years"', 'retention = "7 years"\nproxy_pool = "p"',
     ['repositories.vault.proxy_pool = "p"', "there is a proxy as well", "keep one"]),
    ('retention = "7 years"', 'retention = "7 aeons"',
     ['repositories.vault.retention = "7 aeons"', "not a period", "7 years"]),
    ('retention = "7 years"', "retention = 7", ["retention = 7", "has to be text"]),
    ('retention = "7 years"\n', "", ["repositories.vault.retention: it is missing", "7 years"]),
    ('"snapshot-based"\nretention = "7 years"', '"snapshots"\nretention = "7 years"',
     ['retention_type = "snapshots"', "'snapshot-based' or 'item-level'"]),
    ('retention = "7 years"', 'retention = "7 years"\nretentoin = "x"',
     ['repositories.vault.retentoin = "x"', "did you mean 'retention'?"]),
    ('retention = "7 years"', 'retention = "7 years"\nxyzzy = 1',
     ["repositories.vault.xyzzy = 1", "known are 'appliance'"]),
    ('retention = "7 years"', 'retention = "7 years"\nappliance = {kind = "aws", stack = "s", '
     'region = "eu-central-1"}',
     ['repositories.vault.appliance.kind = "aws"', "beside filesystem", "remove the appliance"]),
    ('retention = "7 years"', 'retention = "7 years"\nappliance = {stack = "s", region = "r"}',
     ["repositories.vault.appliance.kind: it is missing", 'kind = "aws"']),
    ('retention = "7 years"', 'retention = "7 years"\nappliance = "aws"',
     ['repositories.vault.appliance = "aws"', "has to be a table"]),
    ('retention = "7 years"', 'retention = "7 years"\nappliance = {kind = "gcp", stack = "s", '
     'region = "r"}', ['appliance.kind = "gcp"', "not one of those known here", "'aws'"]),
    ('retention = "7 years"', 'retention = "7 years"\nappliance = {kind = "aws", stack = "my stack"'
     ', region = "r"}', ['appliance.stack = "my stack"', "name of a stack"]),
    ("env:VAULT_PASSPHRASE", "hunter2",
     ["repositories.vault.encryption.passphrase = (hidden)", "not a reference", "env:NAME"]),
    ("env:VAULT_PASSPHRASE", "env:hunter-2", ["passphrase = (hidden)", "environment variable"]),
    ("env:VAULT_PASSPHRASE", "file:hunter2", ["passphrase = (hidden)", "absolute path"]),
    ("encryption.passphrase =", "encryption.pasphrase = 1\nencryption.passphrase =",
     ["repositories.vault.encryption.pasphrase = (hidden)", "did you mean 'passphrase'?"]),
    ('encryption.passphrase = "env:VAULT_PASSPHRASE"', "encryption = {}",
     ["repositories.vault.encryption.passphrase: it is missing", "env:NAME"]),
    ('encryption.passphrase = "env:VAULT_PASSPHRASE"', 'encryption.kms = "alias/hunter2"',
     ["repositories.vault.encryption.kms = (hidden)", "it is an alias", "describe-key"]),
    ('encryption.passphrase = "env:VAULT_PASSPHRASE"', 'encryption.kms = "hunter2"',
     ["repositories.vault.encryption.kms = (hidden)", "not the ARN of a KMS key"]),
    ("encryption.passphrase =",
     'encryption.kms = "arn:aws:kms:eu-west-1:123456789012:key/1"\nencryption.passphrase =',
     ["repositories.vault.encryption.kms = (hidden)", "there is a passphrase as well"]),
    ('encryption.passphrase = "env:VAULT_PASSPHRASE"', 'encryption = "hunter2"',
     ["repositories.vault.encryption = (hidden)", "has to be a table"]),
    ('"daily 22:00"', '"hourly"', ['jobs.nightly.schedule = "hourly"', "daily HH:MM"]),
    ('schedule = "daily 22:00"\n', "", ["jobs.nightly.schedule: it is missing", "daily 22:00"]),
    ('"daily 22:00"', '"daily 22:00"\nallow_damaged = "yes"',
     ['jobs.nightly.allow_damaged = "yes"', "true or false"]),
    ('"daily 22:00"', '"daily 22:00"\nfalback = true',
     ["jobs.nightly.falback = true", "did you mean 'fallback'?"]),
    ('target = "vault"\n', "", ["jobs.nightly.target: it is missing", "repository to copy to"]),
    ('target = "vault"', 'target = "valt"',
     ['jobs.nightly.target = "valt"', "no such repository", "did you mean 'vault'?"]),
    ('source = "primary"', 'source = "primry"',
     ['jobs.nightly.source = "primry"', "no such repository", "did you mean 'primary'?"]),
    ('target = "vault"', 'target = "primary"',
     ['jobs.nightly.target = "primary"', "the source too", "second repository"]),
    ("[jobs.nightly]", '[jobs."-x"]', ['jobs.-x', "cannot be a name"]),
    (GOOD[GOOD.index("[jobs."):], "[jobs]\nnightly = 3\n",
     ["jobs.nightly = 3", "has to be a table", "[jobs.nightly]"]),
    ("file:///srv/vault", "file:///srv/backups/primary/",
     ["repositories.vault.url", "the folder of repository 'primary'", "a folder of its own"]),
    ("file:///srv/vault", "file:///srv/backups/x/../primary/sub",
     ["repositories.vault.url", "inside the folder of repository 'primary'"]),
    ("file:///srv/vault", "file:///srv/backups",
     ["repositories.vault.url", "folder of repository 'primary' lies inside it"]),
    ('proxy = "hq"\nretention_type = "snapshot-based"\nretention = "7',
     'proxy_pool = "hq"\nretention_type = "snapshot-based"\nretention = "7',
     ['jobs.nightly.target = "vault"', "pool 'hq'", "proxy 'hq'", "need the same"]),
    ('"snapshot-based"\nretention = "7 years"', '"item-level"\nretention = "7 years"',
     ['jobs.nightly.target = "vault"', "retention_type is item-level", "snapshot-based"]),
    (GOOD[-1:], OTHER_JOB, ["jobs.other:", "job 'nightly' copies 'primary' to 'vault' already"]),
    (GOOD[-1:], THIRD + OTHER_JOB.replace('"vault"', '"third"').replace('"primary"', '"vault"'),
     ['jobs.nightly.target = "vault"', "source of job 'other'", "copied on"]),
    ('"daily 22:00"', '"daily 22:00 Mo-Fr"',
     ['jobs.nightly.schedule = "daily 22:00 Mo-Fr"', "'Mo-Fr' is no day", "Mon-Fri"]),
    ('"daily 22:00"', '"daily 22:00"\nwindow = ["20:00-06:00", "20:00-20:00", "at night"]',
     ["jobs.nightly.window = (an array)", "ends when it begins; it is not a window"]),
    ('"daily 22:00"', '"daily 22:00"\nwindow = "20:00-06:00"',
     ['jobs.nightly.window = "20:00-06:00"', "has to be a list"]),
    ('"daily 22:00"', '"daily 22:00"\nnotify = ["ops"]',
     ["jobs.nightly.notify", "[notify.ops] is not declared"]),
    (GOOD[-1:], "\n[proxy]\n", ["proxy: it has neither name nor pool", 'name = "hq"']),
    (GOOD[-1:], '\n[proxy]\nname = "hq"\ntime_zone = "Europe/Bern"\n',
     ['proxy.time_zone = "Europe/Bern"', "no such time zone", "Europe/Berlin"]),
    (GOOD[-1:], '\n[proxy]\nname = "hq"\nlock_every = "1 min"\n',
     ['proxy.lock_every = "1 min"', "did you mean 'look_every'?"]),
    (GOOD[-1:], '\n[notify.ops]\nkind = "webhook"\nurl = "hunter2"\n',
     ["notify.ops.url = (hidden)", "neither a URL nor a reference"]),
    (GOOD[-1:], '\n[notify.ops]\nurl = "env:HOOK"\n',
     ["notify.ops.kind: it is missing", 'kind = "webhook"']),
    (GOOD[-1:], '\n[notify.ops]\nkind = "mail"\nhost = "m.example.com"\nfrom = "a@b.cd"\n'
     'to = ["a@b.cd"]\nform = "x"\n', ['notify.ops.form = "x"', "did you mean 'from'?"]),
]  # fmt: skip


CLOUDS = GOOD.replace("file:///srv/backups/primary", "s3://backups/primary") + STORES
# The same for a configuration with stores; primary is in Amazon S3, vault in a folder.
ONE_PROBLEM_OF_STORES = [
    ('"s3://backups/primary"', '"s3://backups/primary"\nstore = "cluod"',
     ['repositories.primary.store = "cluod"', "no such store", "did you mean 'cloud'?"]),
    ('"file:///srv/vault"', '"file:///srv/vault"\nstore = "cloud"',
     ['repositories.vault.store = "cloud"', "a folder is in no store", "remove it"]),
    ('"file:///srv/vault"', '"file:///srv/vault"\nstorage_class = "STANDARD"',
     ['repositories.vault.storage_class = "STANDARD"', "no classes", "remove it"]),
    ('"s3://backups/primary"', '"s3://backups/primary"\nkind = "buckit"',
     ['repositories.primary.kind = "buckit"', "'repository' or 'bucket'"]),
    ('proxy = "hq"\nretention_type = "snapshot-based"\nretention = "1 year"',
     'proxy = "hq"\nretention_type = "snapshot-based"\nretention = "1 year"\nkind = "bucket"',
     ['repositories.primary.retention = "1 year"', "ever deleted from a bucket", "remove it"]),
    ('"file:///srv/vault"', '"s3://backups/primary/inner"',
     ["repositories.vault.url", "inside the place of repository 'primary'", "of its own"]),
    ('"https://s3.example.com"', '"https://id:hunter2@s3.example.com"',
     ["stores.cloud.endpoint = (hidden)", "must not carry", "'@'"]),
    ("[stores.cloud]", "[stores.cloud]\nregoin = 1",
     ["stores.cloud.regoin = 1", "did you mean 'region'?"]),
    ("[stores.cloud]", '[stores.cloud]\naccount_key = "hunter2"',
     ["stores.cloud.account_key = (hidden)", "not a reference", "env:NAME"]),
    ("[stores.cloud]", '[stores.cloud]\nread_bandwidth = "fast"',
     ['stores.cloud.read_bandwidth = "fast"', "not a bandwidth", "'50 MB/s'"]),
    ("[stores.cloud]", '[stores."my cloud"]', ['stores."my cloud"', "cannot be a name"]),
    (STORES, "\n[stores]\ncloud = 3\n", ["stores.cloud = 3", "[stores.cloud]"]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), ONE_PROBLEM_OF_STORES)
def test_a_problem_of_a_store_is_reported_alike(
    tmp_path: Path, old: str, new: str, said: list[str]
) -> None:
    assert old in CLOUDS
    problems = problems_of(tmp_path, CLOUDS.replace(old, new, 1))
    assert len(problems) == 1
    for words in said:
        assert words in problems[0]
    assert "hunter" not in problems[0]


def test_a_store_that_nobody_uses_is_fine(tmp_path: Path) -> None:
    assert set(load_text(tmp_path, CLOUDS).stores) == {"cloud", "account"}


def test_everything_that_is_wrong_with_an_appliance_is_told_at_once(tmp_path: Path) -> None:
    table = 'appliance = {kind = "azure", stack = "s", url = "http://app.example.com"}'
    before, old, after = GOOD.rpartition('retention = "7 years"')
    problems = problems_of(tmp_path, f"{before}{old}\n{table}{after}")
    begins = [each.split(":")[0].removeprefix("repositories.vault.appliance.") for each in problems]
    assert begins == ['url = "http', "audience", 'stack = "s"']


@pytest.mark.parametrize(("old", "new", "said"), ONE_PROBLEM)
def test_a_problem_names_its_key_its_value_and_what_to_do(
    tmp_path: Path, old: str, new: str, said: list[str]
) -> None:
    assert old in GOOD
    before, _, after = GOOD.rpartition(old)
    problems = problems_of(tmp_path, before + new + after)
    assert len(problems) == 1
    for words in said:
        assert words in problems[0]
    assert "hunter" not in problems[0]


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    text = GOOD.replace('"hq"', '"lab"', 1).replace('"daily 22:00"', '"hourly"')
    text = text.replace('"snapshot-based"', '"item-level"', 1).replace("7 years", "7 aeons")
    problems = problems_of(tmp_path, text.replace("version = 1", "version = 3"))
    keys = [problem.split(" = ")[0] for problem in problems]
    assert keys == [
        "version",
        "repositories.vault.retention",
        "jobs.nightly.schedule",
        "jobs.nightly.target",
        "jobs.nightly.target",
    ]


def test_one_mistake_does_not_make_a_second_problem(tmp_path: Path) -> None:
    text = GOOD.replace('retention = "7 years"', 'retention = "7 aeons"')
    assert len(problems_of(tmp_path, text)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["version: it is missing", "repositories: it is missing"]),
        ("version = 1\nrepositories = 3\n", ["repositories = 3: it has to be a table"]),
        ("version = 1\n[repositories]\n", ["repositories = (a table): there is none"]),
        ("version = 1\n" + PRIMARY + "jobs = []\n", ["repositories.primary.jobs = (an array)"]),
        (GOOD.replace("[jobs.nightly]", "[job.nightly]"), ["job = (a table)", "'jobs'"]),
    ],
)
def test_a_file_of_another_shape_is_described(tmp_path: Path, text: str, said: list[str]) -> None:
    problems = "\n".join(problems_of(tmp_path, text))
    for words in said:
        assert words in problems


def test_two_names_of_one_folder_are_found_out(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = GOOD.replace("/srv/backups/primary", str(tmp_path / "real"))
    problems = problems_of(tmp_path, text.replace("/srv/vault", str(tmp_path / "link")))
    assert "the folder of repository 'primary' too" in problems[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version = 1\nurl = file\n", "not TOML: .*line 2"),
        (b"version = 1\nversion = 1\n", "not TOML"),
        (b"# gr\xfc\xdfe\n", "not UTF-8 text: see line 1"),
        (b"#" * (1 << 21), "larger than any configuration"),
    ],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "coldhaul.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        load_config(path)


def test_a_missing_file_is_an_input_error_that_names_init(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no configuration at") as caught:
        load_config(tmp_path / "none.toml")
    assert "coldhaul init" in caught.value.hint


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path)


def test_a_name_that_is_not_declared_is_not_found(tmp_path: Path) -> None:
    config = load_text(tmp_path, GOOD)
    with pytest.raises(NotFoundError, match="no repository 'valt'") as caught:
        config.repository("valt")
    assert caught.value.hint == "Did you mean 'vault'?"
    with pytest.raises(NotFoundError, match="no job 'weekly'"):
        config.job("weekly")
