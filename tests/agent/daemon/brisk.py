"""An agent that asks the record of rollouts more often, for tests of what comes of it."""

from extraction_agent import deadlines
from extraction_agent.interfaces.agent import main

deadlines.TRIAL = deadlines.RECORD_EVERY = 0.2
deadlines.RECORD_IDLE = 0.5

main()
