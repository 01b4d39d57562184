"""What was logged as wrong lately."""

import logging

import pytest

from extraction_agent.observe import logs
from extraction_agent.observe.recent import Recent


@pytest.fixture
def logger() -> logging.Logger:
    """One of its own, that tells nobody else."""
    made = logging.Logger("test")
    made.propagate = False
    return made


def test_warnings_and_errors_are_kept_and_nothing_less(logger: logging.Logger) -> None:
    recent = Recent()
    logger.addHandler(recent)
    logger.info("all is well")
    with logs.about(7):
        logger.warning("chunk %d is tried again", 3)
    logger.error("first line\nof a trace")
    entries = recent.entries()
    assert [(one.level, one.message, one.extraction_id) for one in entries] == [
        ("warning", "chunk 3 is tried again", 7),
        ("error", "first line", None),
    ]
    assert entries[0].at <= entries[1].at


def test_it_is_bounded_and_holds_no_secret(logger: logging.Logger) -> None:
    recent = Recent()
    logger.addHandler(recent)
    for number in range(100):
        logger.warning("%d: postgresql://reader:s3cret@db/shop %s", number, "x" * 10_000)
    entries = recent.entries()
    assert len(entries) == 20
    assert entries[-1].message.startswith("99: postgresql://reader:***@db/shop")
    assert max(len(one.message) for one in entries) == 500
    assert "s3cret" not in str(entries)
