#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lib.sh: what the scripts in this folder share; they read it in, it does nothing by itself.
#
# Needs curl and awk. Its variables begin with ops_ wherever a script's own loop could have the same.
# A script's help is the comment that its own file begins with. Exit codes of all:
# 0 done, 1 the cluster said no or is not well, 2 usage, 3 no server reached, 4 outcome unknown.

# shellcheck disable=SC2034  # some of these are for the scripts alone
ops_name=$(basename "$0")
ops_servers=${LETHE_SERVER:-127.0.0.1:5001}
ops_timeout=30
ops_took=0
ops_status=0
ops_curl=0
ops_from=

ops_dir=$(mktemp -d)
trap 'rm -rf "$ops_dir"' EXIT
trap 'exit 1' HUP INT TERM
ops_reply=$ops_dir/reply
ops_head=$ops_dir/head

# die CODE WORDS...
die() {
    code=$1
    shift
    echo "$ops_name: $*" >&2
    exit "$code"
}

usage_error() {
    die 2 "$*; try --help"
}

# is_number TEXT
is_number() {
    case $1 in
    "" | *[!0-9]*) return 1 ;;
    esac
}

# needs_number "$@": a flag and its value
needs_number() {
    is_number "${2:-}" || usage_error "$1 needs a number"
}

# ops_flag "$@": takes a flag that all scripts have; ops_took says how many words, 0: it is no flag.
ops_flag() {
    ops_took=0
    case $1 in
    -h | --help)
        awk 'NR > 2 && !/^#/ { exit } NR > 2 { sub(/^# ?/, ""); print }' "$0"
        exit 0
        ;;
    --server | -s)
        [ $# -ge 2 ] || usage_error "$1 needs HOST:PORT,..."
        ops_servers=$2
        ops_took=2
        ;;
    --timeout)
        needs_number "$@"
        ops_timeout=$2
        ops_took=2
        ;;
    -*) usage_error "there is no flag $1" ;;
    esac
}

# server_list: one a line, as host:port, or as https://host:port
server_list() {
    echo "$ops_servers" | tr ',' '\n' | sed -e 's,^ *http://,,' -e 's,[/ ]*$,,' -e '/^$/d'
}

# The token goes by standard input: a command line can be seen by everybody on the machine.
curl_secrets() {
    if [ -n "${LETHE_TOKEN:-}" ]; then
        printf 'header = "Authorization: Bearer %s"\n' "$LETHE_TOKEN"
    fi
    if [ -n "${LETHE_CACERT:-}" ]; then
        printf 'cacert = "%s"\n' "$LETHE_CACERT"
    fi
}

# ask_one SERVER METHOD PATH [BODY [ACCEPT]]: one request. ops_curl 0: ops_status and the files reply
# and head hold the answer; else what curl ended with, and ops_status is 0.
ask_one() {
    : >"$ops_reply"
    : >"$ops_head"
    set -- "$1" "$2" "$3" "${4:-}" "${5:-application/json}"
    ops_from=$1 ops_path=$3 ops_body=$4
    set -- -sS -K - -m "$ops_timeout" --connect-timeout 3 -X "$2" -H "Accept: $5" \
        -o "$ops_reply" -D "$ops_head" -w '%{http_code}'
    if [ -n "$ops_body" ]; then
        set -- "$@" -H 'Content-Type: application/json' --data-binary "$ops_body"
    fi
    ops_curl=0
    case $ops_from in
    https://*) ops_url=$ops_from$ops_path ;;
    *) ops_url=http://$ops_from$ops_path ;;
    esac
    ops_status=$(curl_secrets | curl "$@" "$ops_url" 2>"$ops_dir/error") || ops_curl=$?
    if [ "$ops_curl" -ne 0 ]; then
        ops_status=0
    fi
}

# ask METHOD PATH [BODY [ACCEPT]]: the first server that answers with anything but 503. Ends the script
# when none can be reached, or when a write was sent and nobody knows what became of it.
ask() {
    answered=no
    for one in $(server_list); do
        ask_one "$one" "$@"
        case $ops_curl in
        0)
            [ "$ops_status" = 503 ] || return 0
            answered=yes
            cp "$ops_reply" "$ops_dir/refused"
            ;;
        # Not resolved, not connected: certainly not sent. 28 may be either, so that a write stops.
        5 | 6 | 7) ;;
        *)
            if [ "$1" != GET ]; then
                die 4 "outcome unknown: $one: $(cat "$ops_dir/error")"
            fi
            ;;
        esac
    done
    [ "$answered" = yes ] || die 3 "no server of $ops_servers answers: $(cat "$ops_dir/error")"
    cp "$ops_dir/refused" "$ops_reply"
    ops_status=503
}

# json_text NAME: the first text of that name in the reply, as it stands there
json_text() {
    awk -v name="$1" '{
        if (match($0, "\"" name "\":[ ]*\"([^\"\\\\]|\\\\.)*\"")) {
            text = substr($0, RSTART, RLENGTH)
            sub(/^"[^"]*":[ ]*"/, "", text)
            print substr(text, 1, length(text) - 1)
            exit
        }
    }' "$ops_reply"
}

# json_number NAME: the first number of that name in the reply
json_number() {
    awk -v name="$1" '{
        if (match($0, "\"" name "\":[ ]*[0-9]+")) {
            text = substr($0, RSTART, RLENGTH)
            sub(/.*:[ ]*/, "", text)
            print text
            exit
        }
    }' "$ops_reply"
}

# problem: what the reply says went wrong, in a line
problem() {
    detail=$(json_text detail)
    echo "$ops_status $(json_text code): ${detail:-$(head -c 200 "$ops_reply")}"
}

# must METHOD PATH [BODY [ACCEPT]]: ask, and end the script with the problem unless it is a 2xx
must() {
    ask "$@"
    case $ops_status in
    2*) ;;
    500 | 504) die 4 "$(problem)" ;;
    *) die 1 "$(problem)" ;;
    esac
}

# show_reply: the answer, with a line's end
show_reply() {
    cat "$ops_reply"
    echo
}

# table PATH: the rows of a list as an aligned table, without its head, on standard output by a file
table() {
    must GET "$1" "" text/plain
    sed 1d "$ops_reply" >"$ops_dir/table"
}

# node_of SERVER: ops_node is its number, empty when it does not answer
node_of() {
    ask_one "$1" GET /version
    ops_node=
    if [ "$ops_status" = 200 ]; then
        ops_node=$(json_number node)
    fi
}

# find_servers: "node server" for each node, to the file servers. Those of the list first, by their own
# word; then the addresses that the nodes are known by, for the rest.
find_servers() {
    : >"$ops_dir/servers"
    for one in $(server_list); do
        node_of "$one"
        [ -z "$ops_node" ] || echo "$ops_node $one" >>"$ops_dir/servers"
    done
    table '/v1/nodes?columns=id,http_address'
    awk 'NR == FNR { known[$1] = 1; next } !($1 in known) && $2 != "-" { print $1, $2 }' \
        "$ops_dir/servers" "$ops_dir/table" >"$ops_dir/others"
    cat "$ops_dir/others" >>"$ops_dir/servers"
}

# server_of NODE
server_of() {
    awk -v node="$1" '$1 == node { print $2; exit }' "$ops_dir/servers"
}

# replicas: "slot node state lag" of every replica, to the file replicas, and "slot leader" of every slot
# to the file leaders. Only a slot's leader knows these, so that each node is asked for what it leads.
replicas() {
    : >"$ops_dir/replicas"
    : >"$ops_dir/leaders"
    while read -r ops_leader ops_server; do
        ask_one "$ops_server" GET /v1/slots
        [ "$ops_status" = 200 ] || continue
        awk -v self="$ops_leader" -v rows="$ops_dir/replicas" -v led="$ops_dir/leaders" '
        function value(name) {
            if (!match($0, "\"" name "\":\"?[^,\"}]*"))
                return ""
            text = substr($0, RSTART, RLENGTH)
            sub(/^"[^"]*":"?/, "", text)
            return text
        }
        BEGIN { RS = "{" }
        /^"slot":/ { slot = value("slot"); leader = value("leader")
                     if (leader == self) print slot, leader >>led }
        /^"node":/ && leader == self { print slot, value("node"), value("state"), value("lag") >>rows }
        ' "$ops_reply"
    done <"$ops_dir/servers"
}

# look_for_behind: "slot node state lag" of each replica that several looks, over two seconds, never found
# level, to the file behind. Under load, and right after a leader's own check, a single look misleads.
look_for_behind() {
    : >"$ops_dir/level"
    for pause in 0 0 0 1 1; do
        sleep "$pause"
        replicas
        awk '$3 == "replicate" && $4 == 0 { print $1, $2 }' "$ops_dir/replicas" >>"$ops_dir/level"
        awk 'NR == FNR { level[$1, $2] = 1; next } !(($1, $2) in level)' \
            "$ops_dir/level" "$ops_dir/replicas" >"$ops_dir/behind"
        [ -s "$ops_dir/behind" ] || return 0
    done
}
