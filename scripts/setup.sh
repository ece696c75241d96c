#!/bin/sh
# Make the virtual environment with the packages of constraints.txt, or leave it as it is when
# nothing it was made from has changed. Says what it will do before it does it.
set -eu
cd "$(dirname "$0")/.."
. scripts/packages.sh

venv=.venv
stamp=$venv/made-from
oldest=3.11

say() { echo "setup: $*"; }

fail() {
    for line; do echo "setup: $line" >&2; done
    exit 1
}

# Print the version of the interpreter $1; nothing if it does not run, as a version manager's
# stand-in for an interpreter that is not installed does not.
version_of() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || true; }

is_new_enough() {
    "$1" -c "import sys; sys.exit(sys.version_info < tuple(map(int, '$oldest'.split('.'))))" 2>/dev/null
}

has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# Set `python` to the first interpreter that can make the environment, else say what mends it.
find_python() {
    python= without_venv= too_old=
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        version=$(version_of "$name")
        [ -n "$version" ] || continue
        if ! is_new_enough "$name"; then
            too_old="$too_old $name is $version."
        elif has_venv "$name"; then
            python=$name
            return
        elif [ -z "$without_venv" ]; then
            without_venv=$name
        fi
    done
    if [ -n "$without_venv" ]; then
        mend_venv "$without_venv"
    else
        fail_no_python
    fi
}

# Debian and its descendants keep venv and ensurepip in a package of their own, one a version.
mend_venv() {
    minor=$("$1" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    package=$minor-venv
    [ "$(version_of /usr/bin/python3)" != "$(version_of "$1")" ] || package=python3-venv
    command -v apt-get >/dev/null 2>&1 || package="$minor python3-pip"
    if may_install && install_packages "$package" && has_venv "$1"; then
        python=$1
        return
    fi
    fail "$1 ($(version_of "$1")) lacks the venv or ensurepip module, which makes environments." \
        "Install it, then run make again:" \
        "    $(install_command "$package")"
}

fail_no_python() {
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON=$PYTHON is no Python $oldest or newer:${too_old:- it does not run.}" \
            "Name another one, or leave PYTHON unset to have one found:" \
            "    make setup PYTHON=python3"
    fi
    packages="python3 python3-venv"
    if command -v apt-cache >/dev/null 2>&1; then
        # Where the default is too old, a newer one may stand beside it.
        for minor in 3.13 3.12 3.11; do
            [ -n "$(apt-cache search --names-only "^python$minor-venv\$" 2>/dev/null)" ] || continue
            packages="python$minor python$minor-venv"
            break
        done
    elif command -v dnf >/dev/null 2>&1; then
        packages="python3.12 python3.12-pip"
    elif command -v brew >/dev/null 2>&1; then
        packages="python@3.13"
    fi
    fail "Coldhaul needs Python $oldest or newer.${too_old:- There is no python3 here.}" \
        "Install one, then run make again:" \
        "    $(install_command "$packages")" \
        "Or name one that PATH does not have: make setup PYTHON=/path/to/python$oldest"
}

# What the environment is made from, as a text: when it changes, so does the environment.
fingerprint() { cksum pyproject.toml constraints.txt scripts/setup.sh; }

# Say whether the environment that is there is the one wanted. Where the tree has been moved it is
# not, since the programs in it name the folder.
is_usable() {
    [ -x "$venv/bin/python" ] && is_new_enough "$venv/bin/python" || return 1
    [ "$(cat "$venv/folder" 2>/dev/null)" = "$(pwd)" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$venv/bin/python")" ]
}

is_up_to_date() { is_usable && fingerprint | cmp -s - "$stamp"; }

install() {
    # Neither a prefix, a user folder nor an environment of the caller may catch the packages.
    env -u PYTHONHOME -u PYTHONPATH -u PIP_TARGET -u PIP_PREFIX PIP_USER=0 \
        PIP_DISABLE_PIP_VERSION_CHECK=1 \
        "$venv/bin/python" -m pip install -qq --constraint constraints.txt "$@" ||
        fail "pip could not install the packages; its message is above." \
            "What is in $venv is incomplete. When the cause is mended: make setup"
}

is_up_to_date && exit 0
if is_usable && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$venv/bin/python
else
    find_python
fi
count=$(grep -c '^[A-Za-z]' constraints.txt)
say "Python $(version_of "$python") at $(command -v "$python")"
say "installing into $(pwd)/$venv, and nowhere else, up to $count packages in the versions that"
say "constraints.txt names (about 490 MB, a minute) and Coldhaul itself, as a link to this tree"
rm -f "$stamp"
if [ "$python" != "$venv/bin/python" ]; then
    "$python" -m venv --clear "$venv" ||
        fail "$(command -v "$python") could not make the environment $venv; its message is above."
    pwd >"$venv/folder"
fi
# First what builds Coldhaul: without isolation the build takes the pinned versions as well.
install hatchling editables
install --no-build-isolation --editable '.[dev]'
fingerprint >"$stamp"
say "done: $venv/bin/coldhaul"
