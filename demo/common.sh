# What demo/run, demo/stop and demo/reset share. Sourced, not run.
# ROOT relocates the whole cluster, as the daemon's --root does; empty for the machine's own paths.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
SWIFTLET=$PWD/.build/release/swiftlet
ROOT=${ROOT:-}
KUBECONFIG_PATH=$ROOT/var/lib/swiftlet/admin.kubeconfig
PID_FILE=$ROOT/run/swiftlet/swiftlet.pid
LOG_DIR=$ROOT/var/log/swiftlet
DAEMON_FLAGS=(${ROOT:+--root "$ROOT"})

# die MESSAGE REMEDY: ends with what failed and what to do.
die() {
    echo "error: $1" >&2
    echo "  what to do: $2" >&2
    exit 1
}

step() { echo "==> $*"; }

need_root() {
    [ "$(id -u)" = 0 ] || die "$1 needs root (namespaces, mounts, nftables)" "run it as root: sudo make ${1##* }"
}

# The pid of the running daemon; fails where there is none.
daemon_pid() {
    local pid
    pid=$(cat "$PID_FILE" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = swiftlet ] && echo "$pid"
}

# Ends the daemon by SIGTERM and waits; its pods stay.
stop_daemon() {
    local pid
    pid=$(daemon_pid) || return 0
    kill -TERM "$pid"
    for _ in $(seq 150); do
        [ -d "/proc/$pid" ] || return 0
        sleep 0.1
    done
    die "the daemon (pid $pid) did not end within 15 s" "look into $LOG_DIR/swiftlet.log, then kill -KILL $pid"
}

# wait_for SECONDS WHAT COMMAND...: tries until the command succeeds, with a dot for each second of waiting.
wait_for() {
    local seconds=$1 what=$2 started=$SECONDS dots=
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $((SECONDS - started)) -ge "$seconds" ]; then
            [ -z "$dots" ] || echo
            return 1
        fi
        if [ $((SECONDS - started)) -gt ${#dots} ]; then
            dots+=.
            [ ${#dots} -eq 1 ] && printf '    waiting for %s' "$what"
            printf .
        fi
        sleep 0.1
    done
    [ -z "$dots" ] || echo " $((SECONDS - started)) s"
}
