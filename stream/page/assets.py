"""The files a page loads: read once, packed once, under an address that changes with their content."""

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".webmanifest": "application/json"}
_YEAR = 31_536_000


class _Asset(NamedTuple):
    content: bytes
    packed: bytes
    type: str


class Assets:
    """Serves `/static/HASH/NAME`; `url(name)` gives the address."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._assets: dict[str, _Asset] = {}
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*")):
            kind = _TYPES.get(path.suffix)
            if kind is None:
                continue
            content = path.read_bytes()
            digest.update(content)
            self._assets[path.relative_to(folder).as_posix()] = _Asset(
                content, gzip.compress(content, 9, mtime=0), kind
            )
        self._version = digest.hexdigest()[:12]

    def url(self, name: str) -> str:
        """Where a file is; KeyError for one that is not there."""
        if name not in self._assets:
            raise KeyError(name)
        return f"/static/{self._version}/{name}"

    async def serve(self, request: web.Request) -> web.Response:
        """`GET /static/{version}/{name}`; other versions are served as well, but not to be kept."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound(text="there is no such file")
        current = request.match_info["version"] == self._version
        headers = {
            "Cache-Control": f"public, max-age={_YEAR}, immutable" if current else "no-store",
            "Content-Type": f"{asset.type}; charset=utf-8",
            "Vary": "Accept-Encoding",
        }
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=asset.packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=asset.content, headers=headers)
