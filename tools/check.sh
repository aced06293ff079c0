#!/bin/sh
# Static checks; all of them run, the exit status tells whether every one passed.
# Arguments: the source folders to type-check. BIN: where the tools are.
set -u
failed=

step() {
    name=$1
    shift
    if "$@"; then echo "ok    $name"; else echo "FAIL  $name"; failed="$failed $name"; fi
}

# A lock with an address in it installs from one machine's mirror and nowhere else.
lock_has_no_address() { ! grep -nE '://|^-f|^--(extra-)?index|^--find-links| @ ' requirements.lock tools/*/package-lock.json; }

step "ruff check" "$BIN/ruff" check --quiet .
step "ruff format" "$BIN/ruff" format --quiet --check .
step "mypy --strict" "$BIN/mypy" --no-error-summary "$@"
step "import rules" "$BIN/lint-imports" --no-logo
step "every clause has its test" "$BIN/egov" regulations traceability docs/reference/traceability --check
step "locks without addresses" lock_has_no_address

if [ -n "$failed" ]; then echo "check failed:$failed" >&2; exit 1; fi
