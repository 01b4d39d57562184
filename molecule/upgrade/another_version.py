"""another_version.py WHEEL FOLDER LATER: the same program, in a wheel of its version.LATER. Prints its path."""

import base64
import hashlib
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile


def main() -> None:
    """A wheel is a zip whose last file lists the others with their hashes."""
    wheel, folder = Path(sys.argv[1]), Path(sys.argv[2])
    name, version, *tags = wheel.name.split("-")
    later = f"{version}.{sys.argv[3]}"
    info, listed = f"{name}-{later}.dist-info/", []
    path = folder / "-".join([name, later, *tags])
    with ZipFile(wheel) as old, ZipFile(path, "w", ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = old.read(entry)
            entry.filename = entry.filename.replace(f"{name}-{version}.dist-info/", info)
            if entry.filename.endswith(("/METADATA", f"{name}/__init__.py")):
                content = content.replace(version.encode(), later.encode(), 1)
            if entry.filename != info + "RECORD":
                new.writestr(entry, content)
                digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                listed.append(f"{entry.filename},sha256={digest},{len(content)}\n")
        new.writestr(info + "RECORD", "".join([*listed, f"{info}RECORD,,\n"]))
    sys.stdout.write(f"{path}\n")


main()
