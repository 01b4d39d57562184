"""The HTTP interface. Each operation is declared once: route, models, scope, errors and document come from that.

`application.build(context.Context(…))` makes an aiohttp application of it.
"""
