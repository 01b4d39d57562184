#!/bin/bash
# host.sh up NAME ADDRESS | down NAME | reboot NAME… | pid NAME | journal NAME [LINES] | network-up | network-down   (root)
# A test host: systemd-nspawn boots the image under an overlay, in a network namespace of its own, on a bridge.
#   FLEET_IMAGE   the image, from build-image.sh; only read
#   FLEET_RUN     a folder per host: its layer, its console; on a disk, so not in /tmp, which may be memory
#   FLEET_BRIDGE, FLEET_GATEWAY, FLEET_KEY (the public key that root lets in)
set -euo pipefail

image=${FLEET_IMAGE:-/var/cache/jivs.extraction/image}
run=${FLEET_RUN:-/var/tmp/jivs.extraction/fleet}
bridge=${FLEET_BRIDGE:-jivs0}
gateway=${FLEET_GATEWAY:-10.213.0.1}
command=${1:-} name=${2:-} address=${3:-}
home=$run/$name
namespace=jivs-$name
# systemd finds itself in both hierarchies of a hybrid cgroup tree; in a unified one there is one.
if [ -d /sys/fs/cgroup/unified ]; then groups=(/sys/fs/cgroup/systemd /sys/fs/cgroup/unified); else groups=(/sys/fs/cgroup); fi
group=${groups[-1]}/jivs/$name

fail() { echo "host $name: $1" >&2; exit 1; }

# The process id of nspawn, if it lives: a number alone may be another process by now.
nspawn() {
    local pid
    pid=$(cat "$home/nspawn.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = systemd-nspawn ] && echo "$pid"
}

# The process id, out here, of the host's systemd.
leader() {
    local pid
    for pid in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
        if [ "$(awk '/^NSpid/ {print $NF}' "/proc/$pid/status" 2>/dev/null)" = 1 ]; then echo "$pid"; return 0; fi
    done
    return 1
}

booted() {
    local pid
    pid=$(nspawn) && pid=$(leader "$pid") && [ -S "/proc/$pid/root/run/dbus/system_bus_socket" ] || return 1
    case $(nsenter -t "$pid" -a systemctl is-system-running --wait 2>/dev/null) in running|degraded) return 0 ;; esac
    return 1
}

up() {
    ! nspawn > /dev/null || { echo "unchanged"; return; }
    [ -e "$image/recipe" ] || fail "there is no image at $image: run build-image.sh"
    local root=$home/root
    mkdir -p "$home"/{upper,work,root}
    mountpoint -q "$root" || mount -t overlay "jivs-$name" -o "lowerdir=$image,upperdir=$home/upper,workdir=$home/work" "$root"
    echo "$name" > "$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" > "$root/etc/hosts"
    touch "$root/var/lib/apt/lists"  # as if fetched now: without a way out, a fetch hangs for minutes
    if [ -n "${FLEET_KEY:-}" ]; then
        install -d -m 700 "$root/root/.ssh"
        install -m 600 "$FLEET_KEY" "$root/root/.ssh/authorized_keys"
    fi
    chroot "$root" ssh-keygen -A > /dev/null
    ip netns add "$namespace"
    ip link add "jivs-$name" type veth peer name eth0 netns "$namespace"
    ip link set "jivs-$name" master "$bridge" up
    ip -n "$namespace" link set lo up
    ip -n "$namespace" address add "$address/24" dev eth0
    ip -n "$namespace" link set eth0 up
    ip -n "$namespace" route add default via "$gateway"
    for tree in "${groups[@]}"; do mkdir -p "$tree/jivs/$name"; done
    setsid "$0" supervise "$name" < /dev/null > "$home/console.log" 2>&1 &
    for _ in $(seq 300); do
        if booted && timeout 1 bash -c ": < /dev/tcp/$address/22" 2> /dev/null; then echo "changed"; return; fi
        sleep 0.1
    done
    tail -20 "$home/console.log" >&2
    fail "it did not boot, or does not answer at $address, within 30 s"
}

# Runs as long as the host: nspawn ends with 133 when the host reboots, and is started again.
supervise() {
    for tree in "${groups[@]}"; do echo $$ > "$tree/jivs/$name/cgroup.procs"; done
    export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network
    local status=133 pid
    while [ "$status" = 133 ]; do
        status=0
        systemd-nspawn --quiet --directory="$home/root" --machine="$name" --boot --register=no --keep-unit \
            --network-namespace-path="/run/netns/$namespace" --resolv-conf=off --timezone=off --link-journal=no \
            --console=read-only --capability=CAP_NET_ADMIN &
        pid=$!
        echo "$pid" > "$home/nspawn.pid"
        wait "$pid" || status=$?
    done
    exit "$status"
}

down() {
    [ -d "$home" ] || { echo "unchanged"; return; }
    local pid
    if pid=$(nspawn); then
        kill -TERM "$pid"  # which nspawn passes on as an orderly shutdown
        for _ in $(seq 100); do nspawn > /dev/null || break; sleep 0.1; done
    fi
    if [ -e "$group/cgroup.kill" ]; then  # whatever is left, also of a host whose nspawn was killed
        echo 1 > "$group/cgroup.kill"
        for _ in $(seq 50); do grep -q 'populated 1' "$group/cgroup.events" || break; sleep 0.1; done
    fi
    ip link delete "jivs-$name" 2> /dev/null || true
    ip netns delete "$namespace" 2> /dev/null || true
    if mountpoint -q "$home/root"; then umount "$home/root"; fi
    rm -rf "$home" "/run/systemd/nspawn/propagate/$name"
    for tree in "${groups[@]}"; do
        find "$tree/jivs/$name" -depth -type d -exec rmdir {} + 2> /dev/null || true  # another may clean up as well
        rmdir "$tree/jivs" 2> /dev/null || true
    done
    echo "changed"
}

case $command in
network-up)
    ip link show "$bridge" > /dev/null 2>&1 && { echo "unchanged"; exit 0; }
    ip link add "$bridge" address 02:00:00:00:00:01 type bridge  # else the lowest of its ports', which changes with them
    ip address add "$gateway/24" dev "$bridge"
    ip link set "$bridge" up
    echo "changed" ;;
network-down)
    if [ ! -d "/sys/class/net/$bridge" ] || [ -n "$(ls "/sys/class/net/$bridge/brif")" ]; then  # others are on it still
        echo "unchanged"
    else
        ip link delete "$bridge"
        if [ -z "$(ls /run/netns 2> /dev/null)" ]; then umount /run/netns 2> /dev/null || true; fi
        echo "changed"
    fi ;;
up|down|supervise) "$command" ;;
reboot) for host in "${@:2}"; do nsenter -t "$("$0" pid "$host")" -a systemctl --no-block reboot; done ;;
journal) nsenter -t "$(leader "$(nspawn)")" -a journalctl --no-pager --quiet --boot --lines="${3:-200}" ;;
pid) leader "$(nspawn)" || fail "it is not up" ;;
*) sed -n '2,6p' "$0" >&2; exit 2 ;;
esac
