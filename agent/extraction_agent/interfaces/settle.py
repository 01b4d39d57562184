"""python -m extraction_agent.interfaces.settle: before the agent starts, and outside it, decide what it begins with.

The unit's ExecStartPre=. It reads two small files, asks nobody, and imports nothing of what runs later.
"""

import argparse
import signal
import sys
from contextlib import closing
from pathlib import Path

from extraction_agent import config, errors
from extraction_agent.tuning.generations import Generations

_LONGEST = 10  # s, whatever the disk does


def main() -> None:
    """Say what the agent will begin with; exit with 1 or 2 if that cannot be told, and the agent then decides."""
    signal.alarm(_LONGEST)
    parser = argparse.ArgumentParser(description="Decide which generation the agent's next start begins with.")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the agent's configuration")
    try:
        folder = config.state_directory(config.load(parser.parse_args().config))
        if folder is not None:
            with closing(Generations(folder)) as generations:
                sys.stdout.write(f"{generations.settle()}\n")
    except errors.ExtractionError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)


if __name__ == "__main__":
    main()
