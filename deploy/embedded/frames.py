"""Compression on the wire of the ClickHouse HTTP interface, in both directions and with limits.

Two families exist: HTTP codings (`Content-Encoding: gzip`, `lz4`, ...) and ClickHouse's own *native frames*
(`?compress=1`, `?decompress=1`): a 16-byte CityHash128 of what follows, one method byte, two little-endian
32-bit sizes (compressed, with these nine bytes; plain), the block.
"""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import lz4.block
import lz4.frame
from clickhouse_cityhash.cityhash import CityHash128

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FRAME_PLAIN_BYTES = 1 << 20
"""Plain bytes in one native frame that we write; ClickHouse's own default."""

_CHECKSUM = struct.Struct("<QQ")
_SIZES = struct.Struct("<BII")
_METHOD_NONE, _METHOD_LZ4, _METHOD_ZSTD = 0x02, 0x82, 0x90
_LOW_64 = (1 << 64) - 1
_STEP = 1 << 20


class BadCompressionError(ValueError):
    """The body is not what its coding says: unknown coding, damaged data or a cut stream."""


class TooLargeError(ValueError):
    """The body is, or unpacks to, more than the limit."""


def unpack(body: bytes, coding: str, limit: int) -> bytes:
    """Undo one HTTP content coding.

    `coding` is one of `gzip`, `deflate`, `lz4`, `zstd`, or empty for none. Never holds more than `limit`
    bytes and one step, however well the body was packed.

    Raises `BadCompressionError` for damage or an unknown coding, `TooLargeError` past the limit.
    """
    coding = coding.strip().lower()
    if not body or coding in ("", "identity"):
        return body
    unpackers: dict[str, Callable[[bytes], Iterator[bytes]]] = {
        "gzip": lambda raw: _zlib_steps(raw, 16 + zlib.MAX_WBITS),
        "deflate": _deflate_steps,
        "lz4": lambda raw: _frame_steps(lz4.frame.LZ4FrameDecompressor, raw),
        "zstd": lambda raw: _frame_steps(zstd.ZstdDecompressor, raw),
    }
    steps = unpackers.get(coding)
    if steps is None:
        raise BadCompressionError(f"Content-Encoding {coding!r} is not one of gzip, deflate, lz4, zstd")
    out = bytearray()
    try:
        for part in steps(body):
            out += part
            _check_size(len(out), limit)
    except (zlib.error, RuntimeError, EOFError, zstd.ZstdError) as e:
        raise BadCompressionError(f"the body is not valid {coding}: {e}") from e
    return bytes(out)


def unpack_frames(body: bytes, limit: int) -> bytes:
    """Undo native frames (`?decompress=1`), each checked against its hash before it is unpacked.

    Raises `BadCompressionError` for a wrong hash, a cut frame or an unknown method, `TooLargeError` past the
    limit.
    """
    out = bytearray()
    at = 0
    while at < len(body):
        if len(body) - at < _CHECKSUM.size + _SIZES.size:
            raise BadCompressionError(f"the native frame at byte {at} is cut")
        method, packed, plain = _SIZES.unpack_from(body, at + _CHECKSUM.size)
        end = at + _CHECKSUM.size + packed
        if packed < _SIZES.size or end > len(body):
            raise BadCompressionError(f"the native frame at byte {at} is cut or its size is wrong")
        _check_size(len(out) + plain, limit)
        if body[at : at + _CHECKSUM.size] != _frame_hash(body[at + _CHECKSUM.size : end]):
            raise BadCompressionError(f"the native frame at byte {at} does not match its checksum")
        block = _frame_block(method, body[at + _CHECKSUM.size + _SIZES.size : end], plain)
        if len(block) != plain:
            raise BadCompressionError(f"the native frame at byte {at} is {len(block)} bytes, not {plain}")
        out += block
        at = end
    return bytes(out)


class _Unpacker(Protocol):
    """One frame being unpacked: lz4 and zstd have the same shape."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class Packer(Protocol):
    """Packs a reply piece by piece."""

    def feed(self, piece: bytes) -> bytes:
        """What can be sent after `piece`; may be empty."""

    def finish(self) -> bytes:
        """The rest, after which the reply is complete."""


def packer(native: bool, accept_encoding: str) -> tuple[Packer, str]:
    """The packer for a reply and the name for its `Content-Encoding` header (empty for none).

    `native` is `?compress=1`, which wins. Otherwise the first of lz4, zstd, gzip and deflate that
    `accept_encoding` names; the cheapest to make stands first, for client and server share one machine.
    """
    if native:
        return _FramePacker(), ""
    offered = {part.partition(";")[0].strip().lower() for part in accept_encoding.split(",")}
    makers: dict[str, Callable[[], Packer]] = {
        "lz4": _Lz4Packer,
        "zstd": _ZstdPacker,
        "gzip": lambda: _ZlibPacker(16 + zlib.MAX_WBITS),
        "deflate": lambda: _ZlibPacker(zlib.MAX_WBITS),
    }
    for name, make in makers.items():
        if name in offered:
            return make(), name
    return _PlainPacker(), ""


class _PlainPacker:
    def feed(self, piece: bytes) -> bytes:
        return piece

    def finish(self) -> bytes:
        return b""


class _FramePacker:
    def feed(self, piece: bytes) -> bytes:
        return b"".join(_frame(piece[at : at + FRAME_PLAIN_BYTES]) for at in range(0, len(piece), FRAME_PLAIN_BYTES))

    def finish(self) -> bytes:
        return b""


class _Lz4Packer:
    def __init__(self) -> None:
        self._stream = lz4.frame.LZ4FrameCompressor()
        self._start: bytes = self._stream.begin()

    def feed(self, piece: bytes) -> bytes:
        start, self._start = self._start, b""
        return start + bytes(self._stream.compress(piece))

    def finish(self) -> bytes:
        return self._start + bytes(self._stream.flush())


class _ZlibPacker:
    def __init__(self, window: int) -> None:
        self._stream = zlib.compressobj(level=1, wbits=window)

    def feed(self, piece: bytes) -> bytes:
        return self._stream.compress(piece)

    def finish(self) -> bytes:
        return self._stream.flush()


class _ZstdPacker:
    def __init__(self) -> None:
        self._stream = zstd.ZstdCompressor(level=1)

    def feed(self, piece: bytes) -> bytes:
        return self._stream.compress(piece)

    def finish(self) -> bytes:
        return self._stream.flush()


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(f"the body is more than {limit} bytes when unpacked")


def _zlib_steps(raw: bytes, window: int) -> Iterator[bytes]:
    while raw:
        stream = zlib.decompressobj(wbits=window)
        while not stream.eof:
            part = stream.decompress(raw, _STEP)
            raw = stream.unused_data if stream.eof else stream.unconsumed_tail
            if not part and not raw and not stream.eof:
                raise EOFError("it ends early")
            yield part


def _deflate_steps(raw: bytes) -> Iterator[bytes]:
    # The HTTP coding is zlib's format, but some clients send the bare stream
    is_zlib = len(raw) > 1 and raw[0] & 0x0F == zlib.DEFLATED and (raw[0] << 8 | raw[1]) % 31 == 0
    yield from _zlib_steps(raw, zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _frame_steps(make: Callable[[], _Unpacker], raw: bytes) -> Iterator[bytes]:
    """Frames of lz4 or zstd, one after the other."""
    while raw:
        stream = make()
        while not stream.eof:
            part = stream.decompress(raw, max_length=_STEP)
            raw = b""
            if not part and stream.needs_input and not stream.eof:
                raise EOFError("it ends early")
            yield bytes(part)
        raw = stream.unused_data or b""


def _frame(plain: bytes) -> bytes:
    block: bytes = lz4.block.compress(plain, store_size=False)
    body = _SIZES.pack(_METHOD_LZ4, len(block) + _SIZES.size, len(plain)) + block
    return _frame_hash(body) + body


def _frame_hash(body: bytes) -> bytes:
    both: int = CityHash128(body)  # the high word of this number is the hash's first half
    return _CHECKSUM.pack(both >> 64, both & _LOW_64)


def _frame_block(method: int, block: bytes, plain: int) -> bytes:
    try:
        if method == _METHOD_LZ4:
            return bytes(lz4.block.decompress(block, uncompressed_size=plain))
        if method == _METHOD_ZSTD:
            return zstd.ZstdDecompressor().decompress(block, max_length=plain)
    except (lz4.block.LZ4BlockError, zstd.ZstdError) as e:
        raise BadCompressionError(f"a native frame does not unpack: {e}") from e
    if method == _METHOD_NONE:
        return block
    raise BadCompressionError(f"the method 0x{method:02x} of a native frame is not LZ4, ZSTD or none")
