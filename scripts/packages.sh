# Sourced by the scripts beside it: what to say, or do, about a missing system package.

# Print the command that installs the packages named, as this system and this user would type it.
install_command() {
    sudo=
    [ "$(id -u)" = 0 ] || sudo="sudo "
    if command -v apt-get >/dev/null 2>&1; then
        echo "${sudo}apt-get install -y $*"
    elif command -v dnf >/dev/null 2>&1; then
        echo "${sudo}dnf install -y $*"
    elif command -v apk >/dev/null 2>&1; then
        echo "${sudo}apk add $*"
    elif command -v brew >/dev/null 2>&1; then
        echo "brew install $*"
    else
        echo "(with your system's package manager) install $*"
    fi
}

# Say whether we may install system packages ourselves: root, with apt-get, and asked to.
may_install() {
    [ "${CI:-}" = true ] || [ "${INSTALL:-}" = 1 ] || return 1
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1
}

# Install the packages named, having said so.
install_packages() {
    echo "Installing with apt-get, since this is root and CI=true or INSTALL=1: $*"
    export DEBIAN_FRONTEND=noninteractive
    # A list that is there may be enough; a new one is fetched only when it is not.
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 || {
        apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    }
}
