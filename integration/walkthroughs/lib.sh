# What the walk-throughs share. Sourced by integration/test-walkthroughs, which runs each page in a namespace of its own
# that is kubectl's default, so that one types what the page says.

kubectl() { on "$KUBECTL" "$@"; }
# From the node, as the pages have it.
curl() { on curl -sS --max-time 5 "$@"; }

# shows NAME PATTERN COMMAND...: the command succeeds and what it shows has a line like the pattern.
shows() {
    local label=$1 pattern=$2 out
    shift 2
    if out=$("$@" 2>&1) && grep -qE -- "$pattern" <<<"$out"; then
        ok "$page: $label"
    else
        not_ok "$page: $label: '$(head -c 500 <<<"$out" | tr '\n' '|')' lacks '$pattern'"
    fi
}

# soon NAME SECONDS PATTERN COMMAND...: it shows that within so many seconds.
soon() {
    local label=$1 limit=$2 pattern=$3
    shift 3
    # Not a pipe: grep would end before the command does, which then fails.
    shown() { grep -qE -- "$pattern" <<<"$("$@" 2>&1)"; }
    if eventually "$limit" shown "$@"; then
        ok "$page: $label"
    else
        not_ok "$page: $label: not within $limit s: '$("$@" 2>&1 | tail -c 500 | tr '\n' '|')' lacks '$pattern'"
    fi
}

# typed NAME COMMAND...: the command succeeds.
typed() {
    local label=$1 out
    shift
    if out=$("$@" 2>&1); then ok "$page: $label"; else not_ok "$page: $label: $(tail -c 400 <<<"$out" | tr '\n' '|')"; fi
}

# terminal COMMAND INPUT...: types the lines into the command, which has a terminal of its own, and shows what it shows.
terminal() {
    local command=$1
    shift
    {
        # A shell that is not there yet loses nothing: the terminal keeps it.
        for line; do
            sleep 0.5
            printf '%s\n' "$line"
        done
        sleep 1
    } | timeout 30 script -qefc "nsenter --net=/run/netns/$NETNS $KUBECTL $command" /dev/null
}
