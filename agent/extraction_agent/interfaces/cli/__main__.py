"""`python -m extraction_agent.interfaces.cli` is `extractctl`."""

from extraction_agent.interfaces.cli.main import main

main()
