"""S3 on loopback: rclone serves a folder of buckets, nginx stands before it and counts.

rclone is a real S3 server, which checks signatures, but it spends more on a small GET than most
clients do. So at the source's port nginx answers the GETs of whole objects itself, out of the same
folder and without a look at signatures, and passes everything else on; at the target's port it
passes everything on. What the servers' processes take is counted apart: they share the machine's
cores with what is measured.

rclone's ETags are MD5 and nginx's are not, and nginx looks at conditions in answers of status 200
only: a GET that is pinned to an ETag and begins at the first byte is answered with the whole object
under 206 and the ETag that was asked for. Nothing changes the buckets while they are served, and
nobody here asks for less than a whole object.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from obstore.store import S3Store

from benchmarks.measure import CommandError
from benchmarks.tools import tool

ACCESS_KEY = "bench"
SECRET_KEY = "benchmarks are not secret"
REGION = "us-east-1"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
_START_SECONDS = 20.0
# Longer than nginx keeps lines of its log back.
_LOG_SECONDS = 1.5
_TICKS = os.sysconf("SC_CLK_TCK")

# Arguments that ask for something else than an object's bytes.
_CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 2048; }}
http {{
    log_format line '$server_port $request_method $status';
    access_log {folder}/requests.log line buffer=256k flush=1s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/octet-stream;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 10000000;
    keepalive_timeout 600;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_read_timeout 600;
    upstream rclone {{ server 127.0.0.1:{rclone}; keepalive 128; }}
    server {{
        listen 127.0.0.1:{source} backlog=1024;
        root {buckets};
        location / {{
            error_page 418 = @rclone;
            error_page 419 =206 @pinned;
            if ($request_method != GET) {{ return 418; }}
            if ($args ~ "(tagging|acl|attributes|uploadId|list-type|prefix)") {{ return 418; }}
            set $pinned "$http_if_match $http_range";
            if ($pinned ~ '^".*" bytes=0-') {{ return 419; }}
            if ($http_if_match) {{ return 418; }}
            try_files $uri @rclone;
        }}
        location @rclone {{ proxy_pass http://rclone; }}
        location @pinned {{
            etag off;
            add_header ETag $http_if_match;
            try_files $uri @rclone;
        }}
    }}
    server {{
        listen 127.0.0.1:{target} backlog=1024;
        location / {{ proxy_pass http://rclone; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the servers did in a while: CPU seconds, and requests of each port by method."""

    cpu: float = 0.0
    source: Counter[str] = field(default_factory=Counter)
    target: Counter[str] = field(default_factory=Counter)

    @property
    def read_count(self) -> int:
        """Requests to the source."""
        return self.source.total()

    @property
    def write_count(self) -> int:
        """Requests that write to the target; an upload of several parts is several of them."""
        return self.target["PUT"] + self.target["POST"]

    def since(self, before: "Counts") -> "Counts":
        """Return what was added after ``before``."""
        return Counts(
            self.cpu - before.cpu, self.source - before.source, self.target - before.target
        )


class Servers:
    """Both servers, running. ``folder`` is for their files, ``buckets`` holds the buckets."""

    def __init__(self, folder: Path, buckets: Path, ports: Sequence[int]) -> None:
        """Start them at three ports of one's own; buckets that are made later are not seen."""
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.source_url, self.target_url = (f"http://127.0.0.1:{port}" for port in ports[1:])
        self._ports = {str(ports[1]): "source", str(ports[2]): "target"}
        self._log = folder / "requests.log"
        self._log.unlink(missing_ok=True)
        configuration = folder / "nginx.conf"
        names = dict(zip(("rclone", "source", "target"), ports, strict=True))
        configuration.write_text(_CONFIG.format(folder=folder, buckets=buckets, **names))
        try:
            self._start(_rclone_command(ports[0], buckets), ports[:1])
            self._start([tool("nginx"), "-c", str(configuration)], ports[1:])
        except BaseException:
            self.stop()
            raise

    def _start(self, command: list[str], ports: Sequence[int]) -> None:
        errors = self._folder / f"{Path(command[0]).name}.log"
        with errors.open("wb") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_bare_environment()
            )
        self._processes.append(process)
        end = time.monotonic() + _START_SECONDS
        while not all(map(_answers, ports)):
            if process.poll() is not None or time.monotonic() > end:
                said = errors.read_text(errors="replace")[-2_000:]
                raise CommandError(f"{command[0]} does not serve: {said}")
            time.sleep(0.05)

    def warm(self, bucket: str) -> None:
        """List a bucket, so that rclone knows the MD5 of everything in it."""
        for _ in open_bucket(self.source_url, bucket).list():
            pass

    def counts(self) -> Counts:
        """Return all that was done so far."""
        time.sleep(_LOG_SECONDS)
        found = Counts(cpu=sum(_cpu(process.pid) for process in self._processes))
        for line in self._log.read_text().splitlines():
            port, method, _ = line.split()
            getattr(found, self._ports[port])[method] += 1
        return found

    def stop(self) -> None:
        """End both."""
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(_START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def serve(folder: Path, buckets: Path, ports: Sequence[int]) -> Iterator[Servers]:
    """Serve the buckets, each a folder below ``buckets``, until the block ends."""
    servers = Servers(folder, buckets, ports)
    try:
        yield servers
    finally:
        servers.stop()


def open_bucket(url: str, bucket: str) -> S3Store:
    """Return the barest client there is."""
    return S3Store(
        bucket,
        endpoint=url,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        region=REGION,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True, "pool_max_idle_per_host": "128"},
    )


def free_ports(count: int = 3) -> list[int]:
    """Return ports that nobody listens at; as many as the servers take."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def buckets_parent(folder: Path, size: int) -> Path:
    """Return where buckets of so many bytes are served from: memory, if there is room for them."""
    memory = Path("/dev/shm")  # noqa: S108 (a folder of a random name is made in it)
    if memory.is_dir() and shutil.disk_usage(memory).free > size and _available() > 2 * size:
        return memory
    return folder


def _available() -> int:
    found = re.search(r"^MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def _rclone_command(port: int, buckets: Path) -> list[str]:
    return [
        tool("rclone"), "--config", "/dev/null", "serve", "s3", "--addr", f"127.0.0.1:{port}",
        "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--etag-hash", "MD5",
        "--vfs-cache-mode", "off", "--dir-cache-time", "24h", str(buckets),
    ]  # fmt: skip


def _bare_environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("RCLONE_")}


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / _TICKS
