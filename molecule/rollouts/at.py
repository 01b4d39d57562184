"""at STEP NTH LATER kill|ACTION COMMAND…: runs ansible-playbook; LATER seconds after it has come to a task of that name
the nth time, kills it with -9, or runs ACTION (words of a command) and lets it go on.

Ends with 0 if it came there, showing when it was killed or what it said when let go on; else with 1, showing that.
"""

import subprocess
import sys
import time
from datetime import UTC, datetime


def main() -> int:
    """The exit status."""
    step, nth, later, action, command = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5:]
    said = []
    with subprocess.Popen(  # noqa: S603 - the scenario's own words
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as play:
        assert play.stdout is not None
        for line in play.stdout:
            said.append(line)
            nth -= line.startswith("TASK [") and step in line
            if nth == 0:
                nth = -1
                time.sleep(later)
                if action == "kill":
                    play.kill()
                    sys.stdout.write(datetime.now(UTC).isoformat(timespec="microseconds") + "\n")
                    return 0
                subprocess.run(action.split(), check=True)  # noqa: S603 - the scenario's own words
    sys.stdout.writelines(said)
    return 0 if nth < 0 else 1


sys.exit(main())
