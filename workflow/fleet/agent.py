"""`python -m workflow.fleet.agent NAME ARGUMENTS…`: extraction-agent on a host of that name.

Several agents of one machine take part in one rollout, which knows its hosts by their names.
"""

import socket
import sys

from extraction_agent.interfaces.agent import main

if __name__ == "__main__":
    name = sys.argv.pop(1)
    socket.gethostname = lambda: name
    main()
