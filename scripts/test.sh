#!/bin/sh
# The checks, then the whole test suite; its summary comes last. A failed check does not hide what
# the tests say: both are run, and either fails the whole.
set -u
cd "$(dirname "$0")/.."
. scripts/packages.sh

# Tests prove with the zstd command that our packs need none of our code to be read, and with
# restic that another tool's repository is whole after its way through an archive.
lacking() { for name in zstd restic; do command -v "$name" >/dev/null 2>&1 || echo "$name"; done; }

# shellcheck disable=SC2046  # A list of packages that are called like their commands.
if [ -n "$(lacking)" ] && ! { may_install && install_packages $(lacking) && [ -z "$(lacking)" ]; }; then
    echo "test: the tests need more commands. Install them, then run make test again:" >&2
    echo "test:     $(install_command $(lacking))" >&2
    exit 1
fi
# Commands are started hundreds of times: what they import is compiled once.
unset PYTHONDONTWRITEBYTECODE

# Both use one core most of the time, and neither needs the other.
sh scripts/emulators.sh &
emulators=$!
trap 'kill "$emulators" 2>/dev/null' EXIT
trap 'exit 130' INT TERM
sh scripts/check.sh
checked=$?
# Where the emulators are new, they take longer than the checks. Meanwhile the packages of functions
# are put together and the tests' modules compiled, by one for all workers. Whatever is wrong with
# either the tests say.
if kill -0 "$emulators" 2>/dev/null; then
    .venv/bin/python -c '
from infra.aws import package as aws
from infra.azure import package as azure
aws.kept_package("arm64")
aws.kept_package("x86_64")
azure.kept_package()'
    .venv/bin/python -m pytest --collect-only -qq >/dev/null 2>&1
fi
wait "$emulators" || { echo "== test: the emulators are lacking, see above" >&2; exit 1; }
trap - EXIT
[ "$checked" = 0 ] || echo "== test: check failed, see above; the tests are run all the same"
echo "== tests"
# Crash tests wait for a disk's syncs half of their time, and no power fails here; the tests where it
# does have disks of their own. So temporary files are in memory where there is much of it.
memory=/dev/shm
if [ -z "${TMPDIR:-}" ] && [ "$(stat -f -c %T "$memory" 2>/dev/null)" = tmpfs ] &&
    [ "$(df -k --output=avail "$memory" | tail -n 1)" -ge 6291456 ]; then
    TMPDIR=$(mktemp -d "$memory/coldhaul-test-XXXXXX") || exit 1
    chmod 1777 "$TMPDIR" # Some tests are an ordinary user for a while.
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
fi
# Tests marked as one xdist_group share a worker, in order; groups of many tests come first. Two
# workers more than there are cores: tests of servers wait. Those of the code itself were part of
# the check.
cores=$(.venv/bin/python -c 'import os; print(os.cpu_count() or 1)')
.venv/bin/python -m pytest -n "${WORKERS:-$((cores + 2))}" --dist loadgroup --ignore tests/architecture
tested=$?
[ "$checked" = 0 ] || exit "$checked"
exit "$tested"
