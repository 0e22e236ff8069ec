#!/bin/sh
# What a container's first process finds, whoever made the container. Runs as that process, in busybox's sh, with
# nothing but what is in /suite; integration/test-node-containers runs it by the kubelet and by other OCI runtimes.
#
# Asked for: hostname box, working directory /tmp, GREETING=hello world, /suite read-only, 60 processes, the default
# capabilities of Docker and Kubernetes, namespaces of its own (mount, PID, network, IPC, UTS, cgroup).
ok() { echo "ok $1"; }
not_ok() { echo "not ok $1: $2"; }
equal() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got '$2', expected '$3'"; fi; }
# refused NAME COMMAND...: the command must fail
refused() {
    label=$1
    shift
    if "$@" >/dev/null 2>&1; then not_ok "$label" "it was let through"; else ok "$label"; fi
}
status() { awk -v key="$1:" '$1 == key { print $2 }' /proc/self/status; }
write() { echo "$1" >"$2"; }

equal "the process is PID 1" "$$" 1
equal "it leads its session" "$(awk '{ print $6 }' /proc/1/stat)" 1
equal "it sees no process but its own" "$(ls /proc | grep -c '^[0-9]' | awk '{ print ($1 <= 5) }')" 1
equal "hostname" "$(hostname)" box
equal "working directory" "$(pwd)" /tmp
equal "environment" "$GREETING" "hello world"
equal "user and group" "$(id -u):$(id -g)" 0:0
equal "umask" "$(umask)" 0022
# Other runtimes pass on some of what they were started with, which make's own spawning has a part in (glibc ignores
# signal 32): for them that is taken away.
equal "no signal is ignored" "$((0x$(status SigIgn) & ~0x${INHERITED_SIGIGN:-0}))" 0
equal "no signal is blocked" "$(status SigBlk)" 0000000000000000
equal "standard input ends at once" "$(head -c 1 | wc -c)" 0
# Not in a pipe, whose end would be one; 10 and 11 are the shell's own, of this file and of what it redirects.
ls /proc/1/fd >/tmp/descriptors
equal "no descriptor but the usual three" "$(grep -vx -e 0 -e 1 -e 2 -e 10 -e 11 /tmp/descriptors)" ""
equal "effective capabilities" "$(status CapEff)" 00000000a80425fb
equal "permitted capabilities" "$(status CapPrm)" 00000000a80425fb
equal "bounding capabilities" "$(status CapBnd)" 00000000a80425fb
equal "inheritable capabilities" "$(status CapInh)" 0000000000000000
equal "ambient capabilities" "$(status CapAmb)" 0000000000000000

equal "loopback is up" "$(ip -o -4 addr show lo | grep -c 127.0.0.1)" 1
equal "the cgroup's root is its own" "$(grep -v ':/$' /proc/self/cgroup | wc -l)" 0
equal "mounts don't reach the host" "$(awk '$5 == "/" { print }' /proc/self/mountinfo | grep -c shared:)" 0
refused "a mount that was asked for read-only" touch /suite/x
check_root() { touch /written && rm /written; }
if check_root; then ok "the root is writable"; else not_ok "the root is writable" "touch failed"; fi

for file in null zero full random urandom tty ptmx; do
    if [ -c "/dev/$file" ]; then ok "/dev/$file"; else not_ok "/dev/$file" "no device"; fi
done
equal "/dev/fd" "$(readlink /dev/fd)" /proc/self/fd
equal "/dev/stdin" "$(readlink /dev/stdin)" /proc/self/fd/0
equal "/dev/zero gives zeros" "$(head -c 4 /dev/zero | od -An -tx1 | tr -d ' ')" 00000000
refused "/dev/full is full" write x /dev/full
equal "/dev/shm is memory" "$(awk '$5 == "/dev/shm" { print }' /proc/self/mountinfo | grep -c ' - tmpfs ')" 1
equal "/dev/pts is its own" "$(awk '$5 == "/dev/pts" { print }' /proc/self/mountinfo | grep -c ' - devpts ')" 1
mknod /tmp/disk b 8 0 && ok "nodes can be made" || not_ok "nodes can be made" "mknod failed"
refused "but not opened" head -c 1 /tmp/disk
mknod /tmp/memory c 1 1
refused "nor the machine's memory" head -c 1 /tmp/memory

refused "kernel settings can't be written" write 1 /proc/sys/kernel/panic
refused "nor the machine be reset" write h /proc/sysrq-trigger
refused "/sys can't be written" mkdir /sys/fs/x
refused "nothing can be mounted" mount -t tmpfs x /tmp
for file in kcore keys timer_list; do
    [ -e "/proc/$file" ] || continue
    equal "/proc/$file is masked" "$(head -c 100 "/proc/$file" 2>/dev/null | wc -c)" 0
done
[ ! -e /sys/firmware ] || equal "/sys/firmware is masked" "$(ls /sys/firmware | wc -l)" 0
refused "another's root is out of reach" ls /proc/1/root/../../../var/lib/swiftlet/sandboxes

# Last, as it leaves no process for anything else: ours, and as many as fit.
(
    i=0
    while [ $i -lt 100 ]; do
        sleep 3 2>/dev/null &
        i=$((i + 1))
    done
) 2>/dev/null
count=0
for folder in /proc/[0-9]*; do count=$((count + 1)); done
if [ $count -le 60 ] && [ $count -ge 40 ]; then ok "the bound of processes"; else not_ok "the bound of processes" "$count are there"; fi
echo "the suite has ended"
exit 7
