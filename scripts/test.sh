#!/bin/sh
# The checks, then the whole test suite; its summary comes last. A failed check does not hide what
# the tests say: both are run, and either fails the whole.
set -u
cd "$(dirname "$0")/.."
. scripts/packages.sh

# Tests prove with the zstd command that our packs need none of our code to be read.
if ! command -v zstd >/dev/null 2>&1; then
    if ! { may_install && install_packages zstd && command -v zstd >/dev/null 2>&1; }; then
        echo "test: the tests need the zstd command. Install it, then run make again:" >&2
        echo "test:     $(install_command zstd)" >&2
        exit 1
    fi
fi

sh scripts/check.sh
checked=$?
[ "$checked" = 0 ] || echo "== test: check failed, see above; the tests are run all the same"
echo "== tests"
# Tests marked as one xdist_group share a worker, in order.
.venv/bin/python -m pytest -n "${WORKERS:-2}" --dist loadgroup
tested=$?
[ "$checked" = 0 ] || exit "$checked"
exit "$tested"
