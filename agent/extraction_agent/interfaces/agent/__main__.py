"""python -m extraction_agent.interfaces.agent"""

from extraction_agent.interfaces.agent import main

main()
