#!/bin/sh
# Resolve the ranges of pyproject.toml in a fresh environment of the oldest Python supported and
# write what came of it to constraints.txt.
set -eu
cd "$(dirname "$0")/.."
if [ "$(.venv/bin/python -c 'import sys; print(*sys.version_info[:2])')" != "3 11" ]; then
    echo "lock: needs the oldest Python supported: make lock PYTHON=python3.11" >&2
    exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -qq --disable-pip-version-check '.[dev]'
{
    grep '^#' constraints.txt
    "$folder/venv/bin/python" -m pip freeze --exclude coldhaul
} >"$folder/constraints.txt"
mv "$folder/constraints.txt" constraints.txt
