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
sh scripts/emulators.sh || exit 1

sh scripts/check.sh
checked=$?
[ "$checked" = 0 ] || echo "== test: check failed, see above; the tests are run all the same"
echo "== tests"
# Tests marked as one xdist_group share a worker, in order.
.venv/bin/python -m pytest -n "${WORKERS:-2}" --dist loadgroup
tested=$?
[ "$checked" = 0 ] || exit "$checked"
exit "$tested"
