#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# man.sh: the manual pages and completions are well-formed, and hold what the programs' help holds.
# BUILD says where they are (build). What is not installed is skipped, loudly.
set -eu

build=${BUILD:-build}
lethectl=$build/bin/lethectl
passed=0
failed=0
skipped=0
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

# verdict NAME: by the last command's status and what it printed
verdict() {
    if [ "$2" -eq 0 ]; then
        echo "ok   $1"
        passed=$((passed + 1))
    else
        echo "FAIL $1"
        cat "$temp/said"
        failed=$((failed + 1))
    fi
}

# run NAME COMMAND...
run() {
    name=$1
    shift
    status=0
    "$@" >"$temp/said" 2>&1 || status=$?
    verdict "$name" "$status"
}

has() {
    command -v "$1" >/dev/null 2>&1 || {
        echo "SKIP $2: no $1"
        skipped=$((skipped + 1))
        return 1
    }
}

# Dates are left out, so that the same source gives the same page.
lint_page() {
    mandoc -T lint -W warning "$1" | grep -v 'missing date' && return 1
    return 0
}

# Every flag of the program's help has an entry in its page.
flags_in_page() {
    "$1" --help | sed -n 's/^  \(-[^ ]*\).*/\1/p; s/^  -., \(--[^ ]*\).*/\1/p' | tr -d , | while read -r flag; do
        grep -qF -- "$(printf '%s' "$flag" | sed 's/-/\\-/g')" "$2" || {
            echo "$flag is not in $2"
            exit 1
        }
    done
}

# completes SHELL-OUTPUT WORD: the word is offered, alone on a line or with a text behind a tab
offers() {
    grep -q "^$2\\($(printf '\t')\\|\$\\)" "$1" || {
        echo "'$2' is not offered:"
        cat "$1"
        return 1
    }
}

# ask_bash WORD...: what bash offers for the last word, a line each
ask_bash() {
    # shellcheck disable=SC2016  # bash's own variables
    bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lethectl
             printf "%s\n" "${COMPREPLY[@]}"' bash "$temp/bash" "$@" >"$temp/offered"
}

ask_fish() {
    fish -c "source $temp/fish; complete -C '$1'" >"$temp/offered"
}

check_bash() {
    ask_bash lethectl '' && offers "$temp/offered" node && offers "$temp/offered" status &&
        ask_bash lethectl node re && offers "$temp/offered" replace && offers "$temp/offered" remove &&
        ask_bash lethectl node add --le && offers "$temp/offered" --learner &&
        ask_bash lethectl deletes --op && offers "$temp/offered" --operator &&
        ask_bash lethectl ls -o js && offers "$temp/offered" json &&
        ask_bash lethectl completion '' && offers "$temp/offered" fish &&
        ask_bash lethectl node drain --op && ! offers "$temp/offered" --operator >/dev/null
}

check_fish() {
    ask_fish 'lethectl ' && offers "$temp/offered" node &&
        ask_fish 'lethectl node re' && offers "$temp/offered" replace &&
        ask_fish 'lethectl node add --le' && offers "$temp/offered" --learner &&
        ask_fish 'lethectl deletes --op' && offers "$temp/offered" --operator &&
        ask_fish 'lethectl completion ' && offers "$temp/offered" zsh
}

for shell in bash zsh fish; do
    "$lethectl" completion "$shell" >"$temp/$shell"
    if has "$shell" "the completion of $shell"; then
        run "the completion of $shell parses" "$shell" -n "$temp/$shell"
    fi
done
run "bash completes" check_bash
if has fish "completing in fish"; then
    run "fish completes" check_fish
fi
run "lethed.8 has every flag" flags_in_page "$build/bin/lethed" "$build/man/lethed.8"
run "lethe-bench.1 has every flag" flags_in_page "$build/bin/lethe-bench" "$build/man/lethe-bench.1"
for page in lethectl.1 lethe-bench.1 lethed.8; do
    if has mandoc "$page"; then
        run "$page is well-formed" lint_page "$build/man/$page"
    fi
done
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
