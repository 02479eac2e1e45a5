"""Checked events as the bytes of a buffer row, and back."""

import json
import zlib
from collections.abc import Sequence

from integrations.product.ingest.checking import Checked

LEVEL = 1  # events repeat themselves; more effort gains a tenth and costs twice the time


def pack(events: Sequence[Checked]) -> tuple[bytes, int]:
    """Compressed JSON, a list for each event; and its bytes before, which is what reading it costs."""
    text = json.dumps(events, ensure_ascii=True, separators=(",", ":")).encode()
    return zlib.compress(text, LEVEL), len(text)


def unpack(body: bytes) -> list[Checked]:
    """What `pack` made."""
    return [Checked(*each) for each in json.loads(zlib.decompress(body))]
