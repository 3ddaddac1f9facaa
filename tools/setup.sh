#!/bin/sh
# A virtual environment from nothing:   tools/setup.sh FOLDER [--without-pip]
#
# Finds a Python >= 3.11 that can really create one. Only when this machine has none does it ask apt, once, after
# printing what and why; run again, it finds nothing left to do. PYTHON=/path/to/python chooses an interpreter.
# A folder that already holds a working environment is left as it is; a half-made one is made anew.
set -eu

usage='usage: tools/setup.sh FOLDER [--without-pip]'
folder=${1:?$usage}
case ${2-} in
    '') pip=with ;;
    --without-pip) pip=without ;;
    *) echo "$usage" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }
stop() { for line; do echo "setup: $line" >&2; done; exit 1; }

# What an interpreter must have. Debian splits ensurepip off into python3-venv; self-built Pythons often lack ssl or sqlite3.
needs='import sys; assert sys.version_info >= (3, 11); import ssl, sqlite3, venv, ensurepip; ensurepip.version()'
works() { "$1" -c "$needs" >/dev/null 2>&1; }
new_enough() { "$1" -c 'import sys; assert sys.version_info >= (3, 11)' >/dev/null 2>&1; }

candidates=${PYTHON:-"python3.13 python3.12 python3.11 python3 python3.14"}
find_python() {
    for each in $candidates; do
        if works "$each"; then
            python=$each
            return 0
        fi
    done
    return 1
}

whole() {
    new_enough "$folder/bin/python" || return 1
    [ $pip = without ] || "$folder/bin/python" -m pip --version >/dev/null 2>&1
}

if [ ! -e "$folder/.unfinished" ] && whole; then
    say "$folder: there already, nothing needed"
    exit 0
fi
if [ -d "$folder" ] && [ ! -e "$folder/pyvenv.cfg" ] && [ ! -e "$folder/.unfinished" ] && [ -n "$(ls -A "$folder")" ]; then
    stop "$folder exists and is not a virtual environment; move it away or name another folder."
fi

if find_python; then
    say "nothing needed from apt: $python is Python $("$python" -c 'import platform; print(platform.python_version())')"
elif [ -n "${PYTHON:-}" ]; then
    stop "PYTHON=$PYTHON is not a Python >= 3.11 with venv, ensurepip, ssl and sqlite3." \
        "Name another one, or leave PYTHON away to let this script look for one."
else
    packages='python3 python3-venv'
    why='no Python >= 3.11 that can create a virtual environment was found'
    for each in $candidates; do
        if new_enough "$each"; then
            why="$each lacks what a virtual environment needs (Debian keeps it in python3-venv)"
            break
        fi
    done
    command -v apt-get >/dev/null 2>&1 || stop "$why, and there is no apt-get here." \
        "Install Python 3.11 or newer with its venv module by this system's own means and run the same command again."
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1; then
        as_root=sudo
    else
        stop "$why." "As root, run:  apt-get update && apt-get install $packages" "then run the same command again."
    fi
    say "$why."
    say "installing from apt: $packages"
    say "  ${as_root:+$as_root }apt-get update"
    say "  ${as_root:+$as_root }apt-get install --yes --no-install-recommends $packages"
    { $as_root apt-get update &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $packages; } ||
        stop "apt-get failed (its reason stands above). Put that right and run the same command again."
    find_python || stop "apt has installed $packages, and still there is no Python >= 3.11 that can create an environment." \
        "This system is older than Debian 12. Install Python 3.11 or newer by other means and name it:" \
        "  make demo PYTHON=/path/to/python3.11"
fi

say "creating $folder"
rm -rf "$folder"
mkdir -p "$folder"
touch "$folder/.unfinished"
set -- "$folder"
[ $pip = with ] || set -- --without-pip "$@"
"$python" -m venv "$@" || stop "$python could not create $folder (its reason stands above)."
rm "$folder/.unfinished"
