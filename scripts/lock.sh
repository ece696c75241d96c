#!/bin/sh
# Resolve the ranges of pyproject.toml in a fresh environment of the oldest Python supported and
# write what came of it to constraints.txt. Where a package is another one on a newer Python, both
# versions stand there.
set -eu
cd "$(dirname "$0")/.."
if [ "$(.venv/bin/python -c 'import sys; print(*sys.version_info[:2])')" != "3 11" ]; then
    echo "lock: needs the oldest Python supported: make lock PYTHON=python3.11" >&2
    exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
.venv/bin/python -m venv "$folder/venv"
pip="$folder/venv/bin/python -m pip --disable-pip-version-check"
$pip install -qq '.[dev]'
$pip download -qq --no-deps --python-version 3.13 --only-binary :all: --dest "$folder" \
    'azure-functions>=2.3,<3'
newer=$(basename "$folder"/azure_functions-*.whl | cut -d - -f 2)
{
    grep '^#' constraints.txt
    $pip freeze --exclude coldhaul |
        sed "s/^azure-functions==.*/&; python_version < '3.13'\\
azure-functions==$newer; python_version >= '3.13'/"
} >"$folder/constraints.txt"
mv "$folder/constraints.txt" constraints.txt
