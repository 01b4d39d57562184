"""The whole agent, whose samplers look every second."""

from extraction_agent import deadlines

deadlines.SAMPLE_EVERY = deadlines.AUDIT_EVERY = 1.0
deadlines.INDEX_SWEEP = 1.0

from extraction_agent.interfaces.agent import main  # noqa: E402 - what it imports takes its deadlines then

if __name__ == "__main__":
    main()
