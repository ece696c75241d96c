#!/bin/sh
# Resolve the ranges of pyproject.toml in a fresh environment of the oldest Python supported and
# write what came of it to constraints.txt.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${VENV:-.venv}/bin/python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -qq --disable-pip-version-check '.[dev]'
{
    grep '^#' constraints.txt
    "$folder/venv/bin/python" -m pip freeze --exclude coldhaul
} >"$folder/constraints.txt"
mv "$folder/constraints.txt" constraints.txt
