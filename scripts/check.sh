#!/bin/sh
# All checks of the code, every one of them run whatever the others say, and a verdict at the end.
set -u
cd "$(dirname "$0")/.."
verdict=
failed=0

run() {
    title=$1
    shift
    echo "== $title"
    if "$@"; then
        verdict="$verdict
  passed  $title"
    else
        failed=1
        verdict="$verdict
  FAILED  $title"
    fi
}

typed=
for folder in appliance_aws appliance_azure core proxy tests benchmarks examples infra; do
    [ -z "$(find "$folder" -name '*.py' 2>/dev/null | head -n 1)" ] || typed="$typed $folder"
done

run "format" .venv/bin/python -m ruff format --check .
run "lint" .venv/bin/python -m ruff check .
# shellcheck disable=SC2086  # A list of folders.
run "types" .venv/bin/python -m mypy $typed
run "layers" .venv/bin/lint-imports --no-logo
run "rules about the code" .venv/bin/python -m pytest -q tests/architecture
.venv/bin/python -m tests.architecture.sizes
echo "== check:$verdict"
exit "$failed"
