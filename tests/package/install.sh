#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# install.sh: `make install` into an empty folder gives all that is promised, and that works from there;
# a second one leaves a changed configuration alone; `make uninstall` leaves nothing but what is one's own.
# BUILD says what is installed (build). `systemd-analyze verify` is skipped, loudly, where it is missing.
set -eu

build=${BUILD:-build}
passed=0
failed=0
skipped=0
temp=$(mktemp -d)
root=$temp/root
trap 'rm -rf "$temp"' EXIT

# run NAME COMMAND...
run() {
    name=$1
    shift
    if "$@" >"$temp/said" 2>&1; then
        echo "ok   $name"
        passed=$((passed + 1))
    else
        echo "FAIL $name"
        cat "$temp/said"
        failed=$((failed + 1))
    fi
}

# make_it TARGET PREFIX
make_it() {
    ${MAKE:-make} --no-print-directory "$1" BUILD="$build" DESTDIR="$root" PREFIX="$2"
}

files() {
    (cd "$root" && find . ! -type d | sort)
}

has_all() {
    for file in bin/lethed bin/lethectl bin/lethe-bench share/man/man1/lethectl.1 share/man/man1/lethe-bench.1 \
        share/man/man8/lethed.8 share/bash-completion/completions/lethectl share/zsh/site-functions/_lethectl \
        share/fish/vendor_completions.d/lethectl.fish share/lethe/lethe.yaml share/lethe/lethe.rules.yml \
        share/lethe/prometheus.yml share/lethe/lethe.json share/lethe/ops/rolling-restart share/lethe/ops/lib.sh \
        share/doc/lethe/README.md share/doc/lethe/operations.md share/doc/lethe/openapi.yaml share/doc/lethe/LICENSE \
        lib/systemd/system/lethed.service lib/sysusers.d/lethe.conf; do
        [ -s "$root/opt/lethe/$file" ] || { echo "no $file" && return 1; }
    done
    [ -s "$root/etc/lethe/lethe.yaml" ]
}

# Nothing of the build's own folders may be named by what is installed.
names_no_build() {
    ! grep -rlF -e "$(pwd)" -e "$temp" "$root" --include=*.service --include=*.yaml --include=*.sh --include=*.1
}

programs_run() {
    "$root/opt/lethe/bin/lethed" --version && "$root/opt/lethe/bin/lethectl" --version &&
        "$root/opt/lethe/bin/lethe-bench" --version
}

# The installed configuration differs from the sample by the data folder alone.
configuration_is_right() {
    installed=$root/etc/lethe/lethe.yaml
    differing=$(diff "$root/opt/lethe/share/lethe/lethe.yaml" "$installed" | grep -c '^[<>]')
    "$root/opt/lethe/bin/lethed" --config "$installed" --check-config &&
        "$root/opt/lethe/bin/lethed" --config "$installed" --print-config | grep -q '"/var/lib/lethe"' &&
        [ "$differing" -eq 2 ]
}

unit_names_prefix() {
    grep -q '^ExecStart=/opt/lethe/bin/lethed --config /etc/lethe/lethe.yaml$' \
        "$root/opt/lethe/lib/systemd/system/lethed.service" &&
        ! grep -q /usr/local "$root/opt/lethe/lib/systemd/system/lethed.service"
}

# Checked where its programs are at their places, as systemd looks for them.
unit_verifies() {
    sed -e "s|/opt/lethe/|$root/opt/lethe/|" "$root/opt/lethe/lib/systemd/system/lethed.service" >"$temp/lethed.service"
    systemd-analyze verify --man=no "$temp/lethed.service" >"$temp/verified" 2>&1 || { cat "$temp/verified" && return 1; }
    ! grep lethed "$temp/verified"
}

ops_run() {
    for script in "$root"/opt/lethe/share/lethe/ops/[!l]*; do
        "$script" --help | grep -q "^Exit codes" || { echo "$script" && return 1; }
    done
}

keeps_a_changed_configuration() {
    echo "# mine" >>"$root/etc/lethe/lethe.yaml" && make_it install /opt/lethe && grep -q '^# mine' "$root/etc/lethe/lethe.yaml"
}

leaves_what_is_mine() {
    make_it uninstall /opt/lethe && [ "$(files)" = "./etc/lethe/lethe.yaml" ]
}

leaves_nothing() {
    rm -rf "$root" && make_it install /usr/local && make_it uninstall /usr/local && [ -z "$(files)" ] &&
        [ ! -e "$root/usr/local/share/lethe" ] && [ ! -e "$root/etc/lethe" ]
}

run "make install" make_it install /opt/lethe
run "all that is promised is there" has_all
run "nothing names the folder it was built in" names_no_build
run "the installed programs run" programs_run
run "the installed configuration is right" configuration_is_right
run "the unit names what was installed" unit_names_prefix
run "the installed scripts for operators run" ops_run
if command -v systemd-analyze >/dev/null 2>&1; then
    run "systemd takes the unit without a word" unit_verifies
else
    echo "SKIP systemd-analyze verify: no systemd-analyze"
    skipped=$((skipped + 1))
fi
run "a changed configuration is kept" keeps_a_changed_configuration
run "uninstall leaves a changed configuration alone" leaves_what_is_mine
run "uninstall leaves nothing else" leaves_nothing
if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
