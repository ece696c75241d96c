#!/bin/sh
# Make .emulators with the servers that the tests talk to and the judges of our templates, each in
# an environment of its own, or leave each as it is when nothing it was made from has changed. Says
# what it will do before it does it. A program that is missing is a failure with the command that
# installs it, and nothing is skipped.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

home=.emulators
lists=tests/emulators
missing=

say() { echo "emulators: $*"; }

# Remember a problem; all of them are told at once.
miss() { for line; do missing="$missing
emulators: $line"; done; }

# Print the version of Python $1 if it is one that LocalStack, Lambda and Azure Functions run on: 3.13.
python_version() { "$1" -c 'import ensurepip, sys, venv; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || true; }

# Set `python` to a Python 3.13: by PYTHON313, by name, or one that pyenv has made.
find_python() {
    python=
    for name in ${PYTHON313:-python3.13 "$HOME"/.pyenv/versions/3.13*/bin/python}; do
        case $(python_version "$name") in
            3.13.*) python=$name && return ;;
        esac
    done
    return 1
}

mend_python() {
    if [ -n "${PYTHON313:-}" ]; then
        miss "PYTHON313=$PYTHON313 is no Python 3.13 with the venv module." \
            "Name another one, or leave PYTHON313 unset to have one found."
    elif has_package python3.13-venv; then
        miss "LocalStack and ministack need Python 3.13. Install it, then run make test again:" \
            "    $(install_command python3.13 python3.13-venv)"
    elif command -v brew >/dev/null 2>&1 || command -v dnf >/dev/null 2>&1; then
        name=python3.13
        command -v brew >/dev/null 2>&1 && name=python@3.13
        miss "LocalStack and ministack need Python 3.13. Install it, then run make test again:" \
            "    $(install_command "$name")"
    elif command -v pyenv >/dev/null 2>&1; then
        miss "LocalStack and ministack need Python 3.13. Install it, then run make test again:" \
            "    pyenv install 3.13"
    else
        miss "LocalStack and ministack need Python 3.13, and this system has no package of it." \
            "Install pyenv, let it make one, then run make test again:" \
            "    pyenv install 3.13" \
            "Or name one that PATH does not have: make test PYTHON313=/path/to/python3.13"
    fi
}

# Say whether the package list of apt has this one.
has_package() {
    command -v apt-cache >/dev/null 2>&1 &&
        [ -n "$(apt-cache search --names-only "^$1\$" 2>/dev/null)" ]
}

# Set `node` to a Node of version 20 or newer, by NODE or by name, with npm beside it or in PATH.
find_node() {
    node=$(command -v "${NODE:-node}" 2>/dev/null || true)
    [ -n "$node" ] || return 1
    "$node" -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' 2>/dev/null || return 1
    PATH=$(dirname "$node"):$PATH
    command -v npm >/dev/null 2>&1
}

mend_node() {
    miss "Azurite needs Node 20 or newer, with npm. Install it, then run make test again:" \
        "    $(install_command nodejs npm)" \
        "Or name one that PATH does not have: make test NODE=/path/to/node"
}

# Say whether part $1 was made from what is there now, in this very folder, by a program that runs.
is_up_to_date() { fingerprint "$1" | cmp -s - "$home/$1/made-from"; }

fingerprint() {
    pwd
    cksum scripts/emulators.sh
    case $1 in
        node) cksum $lists/package.json $lists/package-lock.json && echo "$node" ;;
        *) cksum "$lists/requirements-$1.txt" && echo "$python $(python_version "$python")" ;;
    esac
}

# Make part $1, which takes about $2 MB.
make_part() {
    is_up_to_date "$1" && return
    began=$(date +%s)
    say "installing $1 into $(pwd)/$home/$1, about $2 MB"
    rm -rf "${home:?}/$1"
    mkdir -p "$home/$1"
    case $1 in
        node) make_node ;;
        *) make_python "$1" ;;
    esac || {
        echo "emulators: $1 could not be installed; the message is above." >&2
        exit 1
    }
    fingerprint "$1" >"$home/$1/made-from"
    say "$1 is installed, in $(($(date +%s) - began)) s"
}

make_python() {
    "$python" -m venv "$home/$1" &&
        env -u PYTHONHOME -u PYTHONPATH -u PIP_TARGET -u PIP_PREFIX PIP_USER=0 \
            PIP_DISABLE_PIP_VERSION_CHECK=1 \
            "$home/$1/bin/python" -m pip install -qq --no-deps -r "$lists/requirements-$1.txt"
}

# Its packages' own scripts are not run: none of them is needed.
make_node() {
    cp $lists/package.json $lists/package-lock.json "$home/node/" &&
        (cd "$home/node" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) &&
        ln -s "$node" "$home/node/node"
}

if ! find_python; then
    if [ -z "${PYTHON313:-}" ] && has_package python3.13-venv && may_install &&
        install_packages python3.13 python3.13-venv; then
        find_python || mend_python
    else
        mend_python
    fi
fi
if ! find_node; then
    if [ -z "${NODE:-}" ] && may_install && install_packages nodejs npm; then
        find_node || mend_node
    else
        mend_node
    fi
fi
if [ -n "$missing" ]; then
    echo "$missing" | sed 1d >&2
    exit 1
fi
# The first two wait for the network and the processor in turn.
make_part localstack 290
make_part ministack 75
make_part lambda 16
make_part functions 14
make_part sam 340
make_part azure 82
make_part node 370
