#!/bin/bash
# build-image.sh: makes the image that test hosts start from, once (root). FLEET_IMAGE says where.
# A Debian 12 with systemd, sshd and Python. What the roles install lies in its package cache, not installed: so a role
# installs for real, and no host needs a way to the network.
set -euo pipefail

image=${FLEET_IMAGE:-/var/cache/jivs.extraction/image}
base=(systemd systemd-sysv dbus libpam-systemd openssh-server python3 python3-apt sudo iproute2 ca-certificates procps)
cached=(postgresql-15 python3-psycopg2 acl redis-server prometheus prometheus-alertmanager python3-venv)
recipe=$(sha256sum "$0" | cut -d' ' -f1)
[ "$(cat "$image/recipe" 2>/dev/null)" != "$recipe" ] || { echo "unchanged"; exit 0; }
# Where the packages come from: as this machine's own, which must be Debian 12, or a file of yours.
sources=${FLEET_SOURCES:-/etc/apt/sources.list.d/debian.sources}
[ -e "$sources" ] || sources=/etc/apt/sources.list
grep -q bookworm "$sources" || { echo "$sources has no bookworm: name one that has, FLEET_SOURCES=FILE." >&2; exit 1; }
mkdir -p "$(dirname "$image")"
scratch=$(mktemp -d "$image.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
mmdebstrap --quiet --mode=root --variant=minbase --skip=cleanup/apt --include="$(IFS=,; echo "${base[*]}")" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --dpkgopt='force-unsafe-io' \
    --customize-hook='chroot "$1" apt-get install -qq --download-only '"${cached[*]}"' > /dev/null' \
    bookworm "$scratch" "$sources"
rm -f "$scratch"/etc/ssh/ssh_host_*
: > "$scratch/etc/machine-id"
echo "$recipe" > "$scratch/recipe"
chmod 755 "$scratch"
rm -rf "$image"
mv "$scratch" "$image"
trap - EXIT
echo "changed"
