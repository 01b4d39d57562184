"""What a scrape is answered with. It asks nobody: no database, no file, no other thread."""

from prometheus_client.exposition import choose_encoder

from extraction_agent.observe import (
    metrics,
    throughput,  # noqa: F401 - gives the gauge of throughput its function
)


def render(accept: str = "") -> tuple[bytes, str]:
    """All metrics and their content type, in the format that the request's Accept header prefers."""
    encode, content_type = choose_encoder(accept)
    return encode(metrics.REGISTRY), content_type
