"""The page at `/`: the files of this package, sent as they are.

They hold no data. In a reader's browser they ask for a token, and the API with it.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath

from aiohttp import web

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",  # no text can become markup, whatever a script does with it
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


def routes() -> list[web.RouteDef]:
    """`/`, and each file it is made of under /page/. Open to all."""
    found = [file for file in files(__name__).iterdir() if PurePath(file.name).suffix in _TYPES]
    return [_route("/" if file.name == "index.html" else f"/page/{file.name}", file) for file in found]


def _route(path: str, file: Traversable) -> web.RouteDef:
    body, media_type = file.read_bytes(), _TYPES[PurePath(file.name).suffix]

    async def give(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=media_type, charset="utf-8", headers=_HEADERS)

    return web.get(path, give)
