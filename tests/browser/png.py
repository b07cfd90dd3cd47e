"""PNG files with a palette, a third as large as those that a browser writes."""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode, b64encode
from collections import Counter

from playwright.sync_api import Page

PIXELS = """async (png) => {
  const file = await fetch(`data:image/png;base64,${png}`);
  const picture = await createImageBitmap(await file.blob());
  const context = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  context.drawImage(picture, 0, 0);
  const {data} = context.getImageData(0, 0, picture.width, picture.height);
  const url = await new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.readAsDataURL(new Blob([data]));
  });
  return [picture.width, picture.height, url.split(",")[1]];
}"""
"""A PNG file → its width, height and pixels, of four bytes each."""


def with_palette(png: bytes, blank: Page) -> bytes:
    """The same picture with 256 colours: the most common ones, and for the others the nearest of
    them. `blank` is a page without a policy, whose browser decodes the file."""
    width, height, pixels = blank.evaluate(PIXELS, b64encode(png).decode())
    colours = memoryview(b64decode(pixels)).cast("I")
    palette = [struct.pack("I", colour)[:3] for colour, _ in Counter(colours).most_common(256)]
    index = {colour: _nearest(struct.pack("I", colour), palette) for colour in set(colours)}
    indices = bytes(index[colour] for colour in colours)
    rows = b"".join(b"\0" + indices[row * width : (row + 1) * width] for row in range(height))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    def distance(number: int) -> int:
        return sum((one - other) ** 2 for one, other in zip(colour, palette[number], strict=False))

    return min(range(len(palette)), key=distance)


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
