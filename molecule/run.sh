#!/bin/bash
# run.sh SCENARIO: tries the collection on test hosts; if it fails, prints what they wrote. `make molecule` calls it.
set -euo pipefail

cd "$(dirname "$0")/.."
scenario=$1
base=molecule/fleet/base.yml
missing=()
for tool in systemd-nspawn mmdebstrap ip openssl; do command -v "$tool" > /dev/null || missing+=("$tool"); done
if [ "$(id -u)" != 0 ] || [ ${#missing[@]} != 0 ]; then
    echo "Test hosts need root and systemd-nspawn, mmdebstrap, ip and openssl; missing here: ${missing[*]:-root}." >&2
    echo "Debian: apt-get install systemd-container mmdebstrap iproute2 openssl openssh-client" >&2
    exit 1
fi
EXTRACTION_WHEEL=${EXTRACTION_WHEEL:-$(realpath dist/extraction_agent-*.whl)}
export EXTRACTION_WHEEL

journals() {
    local host hosts
    hosts=$(sed -n 's/^  - name: //p' "molecule/$scenario/molecule.yml")
    for host in ${hosts:-$(sed -n 's/^  - name: //p' "$base")}; do
        printf '\n== journal of %s\n' "$host"
        molecule/fleet/host.sh journal "$host" 300 || true
    done
}

destroy() { molecule --base-config "$base" destroy --scenario-name "$scenario" > /dev/null; }
destroy  # what a run that was killed has left
trap destroy EXIT
if ! molecule --base-config "$base" test --destroy never --scenario-name "$scenario"; then
    journals
    exit 1
fi
