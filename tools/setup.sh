#!/bin/sh
# Makes the environment: a virtual environment, the locked dependencies by hash, the packages in editable form.
# Called by `make setup` with the folders of the packages; needs python3 (3.11 or 3.12) and its venv module.
set -eu

usable() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1
}

if ! usable "$VENV/bin/python"; then
    python=
    for candidate in "${PYTHON:-python3.11}" python3.11 python3.12 python3; do
        if usable "$candidate"; then python=$candidate; break; fi
    done
    if [ -z "$python" ]; then
        echo "setup: Python 3.11 or 3.12 is needed and was not found (tried python3.11, python3.12, python3)." >&2
        echo "       Install it (Debian 12: apt-get install python3 python3-venv) or name it: make PYTHON=/path/to/python3.11" >&2
        exit 1
    fi
    echo "setup: $("$python" -V) -> $VENV"
    if ! "$python" -m venv --clear "$VENV"; then
        echo "setup: the venv module is missing (Debian: apt-get install python3-venv)." >&2
        exit 1
    fi
fi

pip="$VENV/bin/python -m pip --disable-pip-version-check"
echo "setup: locked dependencies"
$pip install --quiet --require-hashes -r requirements.lock

editable=
for package in "$@"; do editable="$editable -e ./$package"; done
echo "setup: packages of the workspace"
# The build backend is in the lock, so nothing is fetched and nothing is resolved here.
# shellcheck disable=SC2086
$pip install --quiet --no-deps --no-build-isolation $editable

# Compiled once here: also a process that may not write bytecode (PYTHONDONTWRITEBYTECODE) starts a second sooner.
sources=
for package in "$@"; do sources="$sources $package/src"; done
# shellcheck disable=SC2086
"$VENV/bin/python" -m compileall -q $sources
