# What the integration tests share. Sourced by each test-* script.
#
# Every test runs in a network namespace of its own ("node"), with the daemon's files under a root of its own, so that
# nothing on the host is touched; the trap removes all of it, whatever happened, and checks that it is gone.
set -uo pipefail
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SWIFTLET=${SWIFTLET:-$REPO/.build/release/swiftlet}
TEST=$(basename "$0")
WORK=$(mktemp -d "/tmp/swl-$TEST.XXXXXX")
ROOT=$WORK/root
NETNS=swlt$$
KUBECTL=$("$REPO/tools/kubectl-path" "${KUBECTL_VERSION:-}")
KUBECONFIG=$ROOT/var/lib/swiftlet/admin.kubeconfig
export KUBECONFIG
mkdir -p "$ROOT"

# --- results
FAILED=0
ok() { echo "ok $*"; }
not_ok() {
    FAILED=1
    echo "not ok $*"
}
skip() { echo "skip $*"; }

# check NAME COMMAND...: one check, whose output is shown when it fails.
check() {
    local label=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$label"; else not_ok "$label: $(echo "$out" | tail -n 5 | tr '\n' ' ' | cut -c1-400)"; fi
}

# equal NAME ACTUAL EXPECTED
equal() {
    if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1: got '$(echo "$2" | head -c 600)', expected '$3'"; fi
}

# contains NAME TEXT PATTERN (an extended regular expression)
contains() {
    if grep -qE -- "$3" <<<"$2"; then ok "$1"; else not_ok "$1: '$(echo "$2" | head -c 800)' lacks '$3'"; fi
}

# lacks NAME TEXT PATTERN
lacks() {
    if grep -qE -- "$3" <<<"$2"; then not_ok "$1: '$(echo "$2" | head -c 800)' has '$3'"; else ok "$1"; fi
}

# eventually SECONDS COMMAND...: true once the command succeeds.
eventually() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

# check_eventually NAME SECONDS COMMAND...
check_eventually() {
    # Not `name` and `seconds`: what is called sees our locals, and has such variables of its own.
    local label=$1 limit=$2
    shift 2
    if eventually "$limit" "$@"; then ok "$label"; else not_ok "$label: not within $limit s: $* ($("$@" 2>&1 | tail -n 3 | tr '\n' ' ' | cut -c1-300))"; fi
}

# --- the node: a network namespace with an uplink to an "outside" namespace
node_up() {
    ip netns add "$NETNS" && ip netns add "$NETNS-out" || exit 1
    nsenter --net="/run/netns/$NETNS" sh -c '
        echo 0 > /proc/sys/net/ipv4/ip_forward
        ip link set lo up'
    ip -n "$NETNS" link add uplink type veth peer name uplink netns "$NETNS-out"
    ip -n "$NETNS" addr add 192.0.2.2/24 dev uplink
    ip -n "$NETNS" link set uplink up
    ip -n "$NETNS-out" addr add 192.0.2.1/24 dev uplink
    ip -n "$NETNS-out" link set uplink up
    ip -n "$NETNS-out" link set lo up
    ip -n "$NETNS" route add default via 192.0.2.1
}

# node_up_dual: the same with IPv6, on the uplink and as a default route.
node_up_dual() {
    node_up
    ip -n "$NETNS" addr add 2001:db8:1::2/64 dev uplink nodad
    ip -n "$NETNS-out" addr add 2001:db8:1::1/64 dev uplink nodad
    ip -n "$NETNS" -6 route add default via 2001:db8:1::1
}
DUAL_RANGES=(--cluster-cidr 10.244.0.0/16,fd00:10:244::/56 --service-cidr 10.96.0.0/16,fd00:10:96::/112)

# on COMMAND...: runs it in the node's network namespace, with the host's mounts and cgroups.
on() { nsenter --net="/run/netns/$NETNS" "$@"; }
outside() { nsenter --net="/run/netns/$NETNS-out" "$@"; }
k() { on "$KUBECTL" "$@"; }
swiftlet() { on "$SWIFTLET" "$@" --root "$ROOT"; }

DAEMON=
# daemon_start [FLAGS...]: starts `swiftlet up` and waits until it is ready.
daemon_start() {
    mkdir -p "$ROOT/var/log/swiftlet"
    nsenter --net="/run/netns/$NETNS" "$SWIFTLET" "${DAEMON_VERB:-up}" --root "$ROOT" --node-name node1 "$@" \
        >>"$WORK/daemon.log" 2>&1 </dev/null &
    DAEMON=$!
    [ "${DAEMON_VERB:-up}" = up ] || return 0
    eventually 30 daemon_ready || {
        not_ok "the daemon becomes ready: $(tail -n 5 "$WORK/daemon.log" | tr '\n' ' ')"
        exit 1
    }
}
daemon_ready() {
    kill -0 "$DAEMON" 2>/dev/null && [ -e "$KUBECONFIG" ] && k get --raw /readyz &&
        [ "$(k get node node1 -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" = True ]
}
daemon_stop() {
    [ -n "$DAEMON" ] || return 0
    kill -"${1:-TERM}" "$DAEMON" 2>/dev/null
    wait "$DAEMON" 2>/dev/null
    DAEMON=
}

# --- images
# The demo's image with the tests' helper in it.
demo_image() {
    musl-gcc -static -Os -Wall -Werror -s -o "$WORK/helper" "$REPO/integration/helper.c" &&
        "$REPO/demo/make-image" "$WORK/demo.tar" "$WORK/helper" && swiftlet image import "$WORK/demo.tar" >/dev/null
}

# --- what we leave in the kernel. The tag comes from the root, so only our own things are counted.
tag() { "$SWIFTLET" version --root "$ROOT" --output json | jq -r .tag; }
count_links() { ip -n "$NETNS" -o link | grep -c ': swl' || true; }
count_mounts() { grep -c "$ROOT" /proc/self/mountinfo || true; }
count_cgroups() { find /sys/fs/cgroup -type d -path "*swiftlet-$(tag)*" 2>/dev/null | wc -l; }
count_podinits() { pgrep -cx podinit -f 2>/dev/null || true; }
our_podinits() {
    local pid
    for pid in $(pgrep -x podinit); do
        tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$ROOT" && echo "$pid"
    done
    return 0
}
count_fds() { ls "/proc/$DAEMON/fd" | wc -l; }
count_elements() { on nft -j list ruleset 2>/dev/null | grep -o '"elem"' | wc -l; }
# inventory: one line with all counts, to compare before and after.
inventory() {
    echo "links=$(count_links) mounts=$(count_mounts) cgroups=$(count_cgroups) podinits=$(our_podinits | wc -l)"
}

cleanup() {
    daemon_stop KILL
    if [ -x "$SWIFTLET" ] && [ -e "/run/netns/$NETNS" ]; then
        swiftlet reset --yes >"$WORK/reset.log" 2>&1 || not_ok "reset after the test: $(tail -n 3 "$WORK/reset.log" | tr '\n' ' ')"
        if [ -z "${NO_LEFTOVER_CHECK:-}" ]; then
            eventually 5 no_leftovers || not_ok "nothing is left after reset: $(inventory) $(on nft list tables | tr '\n' ' ')"
            no_leftovers && ok "nothing is left after reset"
        fi
    fi
    ip netns del "$NETNS" 2>/dev/null
    ip netns del "$NETNS-out" 2>/dev/null
    if [ $FAILED -ne 0 ]; then
        echo "--- the daemon's log"
        tail -n 60 "$WORK/daemon.log" 2>/dev/null
    fi
    rm -rf "$WORK"
    exit $FAILED
}
no_leftovers() {
    [ "$(inventory)" = "links=0 mounts=0 cgroups=0 podinits=0" ] && ! on nft list tables | grep -q swiftlet
}
trap cleanup EXIT
trap 'exit 1' INT TERM
