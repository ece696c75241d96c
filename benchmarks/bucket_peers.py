"""What a user would run between two buckets instead, each set up for speed.

Sources are read at the servers' one address and targets written at the other, so no peer can have
the server copy for it: all bytes pass through the machine that a copy would run on.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.measure import Usage, run
from benchmarks.peers import RESTIC_PACK_MIB, new_recipient, stored_in
from benchmarks.servers import ACCESS_KEY, ENVIRONMENT, REGION, SECRET_KEY, Servers
from benchmarks.tools import tool

_TRANSFERS = 32
_PASSWORD = "benchmarks are not secret"
_RESTIC = ("restic", "--quiet", "-o", "s3.bucket-lookup=path", "-o", "s3.connections=16")
_SCRIPT = """set -o pipefail
"$S5CMD" --endpoint-url "$SOURCE" --log error cp "s3://$BUCKET/*" "$STAGE/" &&
tar -cf - -C "$STAGE" . | zstd -q -3 -T0 | age -r "$RECIPIENT" |
"$RCLONE" --config /dev/null rcat --s3-chunk-size 32M "dst:$TARGET/archive.tar.zst.age"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What a command between two buckets took on both sides, and what it left.

    A preparation is shown and competes with nobody.
    """

    name: str
    usage: Usage
    server_cpu: float
    read_count: int
    write_count: int
    stored_size: int
    object_count: int
    is_preparation: bool = False


def measure_served(
    name: str, servers: Servers, target: Path, command: Callable[[], Usage]
) -> Served:
    """Run a command that writes below ``target``, a folder that is served."""
    size, count = stored_in(target)
    before = servers.counts()
    usage = command()
    counts = servers.counts().since(before)
    size_after, count_after = stored_in(target)
    return Served(
        name=name,
        usage=usage,
        server_cpu=counts.cpu,
        read_count=counts.read_count,
        write_count=counts.write_count,
        stored_size=size_after - size,
        object_count=count_after - count,
    )


class BucketPeers:
    """Peers on one data set, served from ``buckets``; ``folder`` takes what they need besides."""

    TARGETS = ("restic-1", "restic-2", "rclone", "crypt", "script")

    def __init__(self, servers: Servers, buckets: Path, folder: Path) -> None:
        """Every target has to be there and empty."""
        self._servers = servers
        self._buckets = buckets
        self._folder = folder

    def restic(self, tree: Path) -> list[Served]:
        """Back the tree up into a bucket and copy the snapshot into another."""
        size = ("--pack-size", str(RESTIC_PACK_MIB))
        read = f"s3:{self._servers.source_url}/restic-1"
        first, second = (f"s3:{self._servers.target_url}/restic-{n}" for n in (1, 2))
        for repository in (first, second):
            self._restic("init", "--repository-version", "2", "-r", repository)
        backup = self._measure(
            "restic backup (fills its source)",
            "restic-1",
            lambda: self._restic("backup", "-r", first, *size, str(tree)),
        )
        copy = self._measure(
            "restic copy",
            "restic-2",
            lambda: self._restic("copy", "--from-repo", read, "-r", second, *size),
        )
        return [replace(backup, is_preparation=True), copy]

    def objects(self, bucket: str, prefix: str, what: str) -> list[Served]:
        """Copy a bucket's objects as they are, by each tool that can."""
        source = f"{bucket}/{prefix}".rstrip("/")
        return [
            self._measure(
                f"rclone copy of {what}", "rclone", lambda: self._rclone(source, "dst:rclone")
            ),
            self._measure(
                f"rclone copy of {what} into crypt", "crypt", lambda: self._rclone(source, "crypt:")
            ),
            self._measure(
                f"s5cmd, tar, zstd, age of {what}", "script", lambda: self._script(source)
            ),
        ]

    def _measure(self, name: str, target: str, command: Callable[[], Usage]) -> Served:
        return measure_served(name, self._servers, self._buckets / target, command)

    def _restic(self, *words: str) -> Usage:
        cache = ("--cache-dir", str(self._folder / "cache"))
        environment = {"RESTIC_PASSWORD": "bench", "RESTIC_FROM_PASSWORD": "bench"}
        return run([*_RESTIC, *cache, *words], self._folder, ENVIRONMENT | environment)[0]

    def _rclone(self, source: str, target: str) -> Usage:
        command = [
            tool("rclone"), "--config", "/dev/null", "copy", f"src:{source}", target,
            "--transfers", str(_TRANSFERS), "--checkers", str(_TRANSFERS),
            "--fast-list", "--use-server-modtime", "--quiet",
        ]  # fmt: skip
        return run(command, self._folder, self._remotes())[0]

    def _script(self, source: str) -> Usage:
        stage = self._folder / "stage"
        stage.mkdir()
        environment = {
            "S5CMD": tool("s5cmd"),
            "RCLONE": tool("rclone"),
            "SOURCE": self._servers.source_url,
            "BUCKET": source,
            "STAGE": str(stage),
            "TARGET": "script",
            "RECIPIENT": new_recipient(),
        }
        usage, _ = run(["bash", "-c", _SCRIPT], self._folder, self._remotes() | environment)
        subprocess.run(["rm", "-rf", str(stage)], check=True)
        return usage

    def _remotes(self) -> dict[str, str]:
        """Return the environment that names both addresses, and the crypt, for rclone."""
        found = dict(ENVIRONMENT)
        urls = {"SRC": self._servers.source_url, "DST": self._servers.target_url}
        for name, url in urls.items():
            found |= {
                f"RCLONE_CONFIG_{name}_TYPE": "s3",
                f"RCLONE_CONFIG_{name}_PROVIDER": "Rclone",
                f"RCLONE_CONFIG_{name}_ENDPOINT": url,
                f"RCLONE_CONFIG_{name}_ACCESS_KEY_ID": ACCESS_KEY,
                f"RCLONE_CONFIG_{name}_SECRET_ACCESS_KEY": SECRET_KEY,
                f"RCLONE_CONFIG_{name}_REGION": REGION,
            }
        return found | {
            "RCLONE_CONFIG_CRYPT_TYPE": "crypt",
            "RCLONE_CONFIG_CRYPT_REMOTE": "dst:crypt",
            "RCLONE_CONFIG_CRYPT_PASSWORD": _obscured(_PASSWORD),
        }


def _obscured(password: str) -> str:
    command = [tool("rclone"), "--config", "/dev/null", "obscure", password]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
