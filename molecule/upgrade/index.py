"""index.py ARCHIVE FOLDER: the wheels of an archive, a folder for each project: what pip asks an index for."""

import re
import sys
import tarfile
from pathlib import Path


def main() -> None:
    """Names are compared as PEP 503 has it."""
    folder = Path(sys.argv[2])
    with tarfile.open(sys.argv[1]) as archive:
        for member in archive.getmembers():
            name = Path(member.name).name
            if name.endswith(".whl"):
                project = folder / re.sub(r"[-_.]+", "-", name.split("-")[0]).lower()
                project.mkdir(parents=True, exist_ok=True)
                content = archive.extractfile(member)
                assert content is not None
                (project / name).write_bytes(content.read())


main()
