"""kill STEP NTH COMMAND…: runs ansible-playbook and kills it with -9 as it comes to a task of that name the nth time.

Ends with 0 if it was killed there, and with 1, showing what it said, if it ended before.
"""

import subprocess
import sys
import time

LATER = 1.0  # s into the task: its module is at work then


def main() -> int:
    """The exit status."""
    step, nth, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as play:  # noqa: S603
        assert play.stdout is not None
        for line in play.stdout:
            said.append(line)
            nth -= line.startswith("TASK [") and step in line
            if nth == 0:
                time.sleep(LATER)
                play.kill()
                return 0
    sys.stdout.writelines(said)
    return 1


sys.exit(main())
