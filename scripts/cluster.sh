#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cluster.sh: a cluster of real nodes on this machine, to try things and to script against.
#
#     cluster.sh up [N]          start N nodes (3) and wait until all serve
#     cluster.sh down            stop them; their data stays
#     cluster.sh status          the nodes and the slots, as they say themselves
#     cluster.sh kill N          kill -9 node N
#     cluster.sh stop N          stop node N in good order
#     cluster.sh start N         start node N again
#     cluster.sh pause|resume N  SIGSTOP, SIGCONT
#     cluster.sh logs N [-f]     what node N logged
#     cluster.sh wipe            down, and remove all data
#
# Node N serves HTTP on 127.0.0.1:$HTTP_PORT+N-1 (5001...) and peers on $PEER_PORT+N-1 (11110...).
# CLUSTER_DIR (build/cluster) holds a folder, a log and a pid file for each.
# LETHED (build/bin/lethed) is the daemon; FLAGS are given to each node.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
dir=${CLUSTER_DIR:-$root/build/cluster}
lethed=${LETHED:-$root/build/bin/lethed}
http_port=${HTTP_PORT:-5001}
peer_port=${PEER_PORT:-11110}

die() {
    echo "cluster.sh: $*" >&2
    exit 1
}

usage() {
    sed -n '3,17s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

http_of() {
    echo "127.0.0.1:$((http_port + $1 - 1))"
}

count() {
    cat "$dir/count" 2>/dev/null || echo 3
}

is_node() {
    case ${1:-} in
    "" | *[!0-9]*) usage ;;
    esac
    if [ "$1" -lt 1 ] || [ "$1" -gt "$(count)" ]; then
        die "there is no node $1 of $(count)"
    fi
}

# pid_of N: its pid when it runs
pid_of() {
    pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 1
    kill -0 "$pid" 2>/dev/null && echo "$pid"
}

members() {
    n=1
    text=
    while [ "$n" -le "$(count)" ]; do
        text="$text${text:+,}$n@127.0.0.1:$((peer_port + n - 1))"
        n=$((n + 1))
    done
    echo "$text"
}

start() {
    if pid_of "$1" >/dev/null; then
        return
    fi
    [ -x "$lethed" ] || die "no daemon at $lethed: run make first, or set LETHED"
    # shellcheck disable=SC2086  # FLAGS is several words
    "$lethed" --node-id "$1" --data-dir "$dir/$1" --cluster-id "${CLUSTER_ID:-try}" \
        --cluster-members "$(members)" --cluster-listen "127.0.0.1:$((peer_port + $1 - 1))" \
        --http-listen "$(http_of "$1")" ${FLAGS:-} >>"$dir/$1.log" 2>&1 </dev/null &
    echo $! >"$dir/$1.pid"
}

# wait_ready N: at most 30 s
wait_ready() {
    tries=0
    until curl -fs -m 2 -o /dev/null "http://$(http_of "$1")/readyz"; do
        tries=$((tries + 1))
        if ! pid_of "$1" >/dev/null; then
            tail -n 5 "$dir/$1.log" >&2
            die "node $1 ended: see $dir/$1.log"
        fi
        [ "$tries" -lt 150 ] || die "node $1 is not ready after 30 s: see $dir/$1.log"
        sleep 0.2
    done
}

each() {
    n=1
    while [ "$n" -le "$(count)" ]; do
        "$1" "$n"
        n=$((n + 1))
    done
}

stop() {
    pid=$(pid_of "$1") || return 0
    kill -CONT "$pid" 2>/dev/null || :
    kill -TERM "$pid"
    tries=0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 150 ] || kill -KILL "$pid" 2>/dev/null || :
        sleep 0.1
    done
    rm -f "$dir/$1.pid"
}

say_node() {
    pid=$(pid_of "$1") || pid=-
    ready=$(curl -s -m 2 "http://$(http_of "$1")/readyz" || echo "no answer")
    printf 'node %s  pid %-7s http %-16s %s\n' "$1" "$pid" "$(http_of "$1")" "$ready"
}

signal() {
    pid=$(pid_of "$2") || die "node $2 does not run"
    kill "-$1" "$pid"
}

verb=${1:-}
[ -n "$verb" ] || usage
shift
mkdir -p "$dir"
case $verb in
up)
    case ${1:-3} in
    *[!0-9]* | 0) usage ;;
    esac
    echo "${1:-3}" >"$dir/count"
    each start
    each wait_ready
    each say_node
    ;;
down) each stop ;;
status)
    each say_node
    n=1
    while [ "$n" -le "$(count)" ]; do
        if pid_of "$n" >/dev/null; then
            curl -s -m 5 -H 'Accept: text/plain' "http://$(http_of "$n")/v1/nodes" || :
            break
        fi
        n=$((n + 1))
    done
    ;;
kill)
    is_node "${1:-}"
    signal KILL "$1"
    rm -f "$dir/$1.pid"
    ;;
stop)
    is_node "${1:-}"
    stop "$1"
    ;;
start)
    is_node "${1:-}"
    start "$1"
    wait_ready "$1"
    say_node "$1"
    ;;
pause)
    is_node "${1:-}"
    signal STOP "$1"
    ;;
resume)
    is_node "${1:-}"
    signal CONT "$1"
    ;;
logs)
    is_node "${1:-}"
    if [ "${2:-}" = -f ]; then
        exec tail -n 100 -f "$dir/$1.log"
    fi
    cat "$dir/$1.log"
    ;;
wipe)
    each stop
    n=1
    while [ "$n" -le "$(count)" ]; do
        rm -rf "${dir:?}/$n" "$dir/$n.log"
        n=$((n + 1))
    done
    ;;
*) usage ;;
esac
