"""Record ids: 15 case-sensitive base-62 characters, or 18 with a checksum that survives a change of case."""

import re
from itertools import islice

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CHECKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[A-Z0-5]{3})?")
RESERVED = "00"
_CAPITALS = str.maketrans(ALPHABET, "".join("1" if letter.isupper() else "0" for letter in ALPHABET))
_CHECK_OF = {f"{bits:05b}"[::-1]: letter for bits, letter in enumerate(CHECKS)}
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
_PAIR_BITS = [a.isupper() + 2 * b.isupper() for a in ALPHABET for b in ALPHABET]


def check_characters(id15: str) -> str:
    """The three characters that follow a 15-character id: one per group of five, bit k set if character k is A-Z."""
    bits = id15.translate(_CAPITALS)
    return _CHECK_OF[bits[0:5]] + _CHECK_OF[bits[5:10]] + _CHECK_OF[bits[10:15]]


def to_18(text: str) -> str:
    """The 18-character form of `text`. ValueError when it is neither a 15- nor an 18-character id.

    An 18-character id is accepted in any case: its checksum says which letters are capitals.
    """
    if not SHAPE.fullmatch(text[:15] + text[15:].upper()):
        raise ValueError(f"malformed id {text}")
    if len(text) == 15:
        return text + check_characters(text)
    if check_characters(text[:15]) == text[15:]:
        return text
    restored = _restore_case(text)
    if check_characters(restored) != text[15:].upper():
        raise ValueError(f"malformed id {text}")
    return restored + text[15:].upper()


def _restore_case(text: str) -> str:
    """The 15 characters with the capitals that the checksum of an 18-character id names."""
    letters = list(text[:15])
    for position, letter in enumerate(letters):
        bits = CHECKS.index(text[15 + position // 5].upper())
        letters[position] = letter.upper() if bits >> (position % 5) & 1 else letter.lower()
    return "".join(letters)


def make_ids(prefix: str, instance: str, start: int, count: int) -> list[str]:
    """`count` consecutive ids from number `start`. `prefix` has 3 characters, `instance` 2 (it names the org)."""
    first = CHECKS[sum(1 << k for k, letter in enumerate(prefix + instance) if "A" <= letter <= "Z")]
    return list(islice(_ids_from(prefix + instance + RESERVED, first, start), count))


def _ids_from(head: str, first: str, number: int):  # noqa: ANN202 - a plain generator of text
    """Endless ids; the eight last characters are the number in base 62, taken in pairs of precomputed digits."""
    size = len(_PAIRS)
    while True:
        high, low = divmod(number, size)
        rest, third = divmod(high, size)
        top, second = divmod(rest, size)
        eight = _PAIRS[top] + _PAIRS[second] + _PAIRS[third]
        middle = CHECKS[sum(1 << (k + 2) for k, letter in enumerate(eight[:3]) if "A" <= letter <= "Z")]
        bits = sum(1 << k for k, letter in enumerate(eight[3:6]) if "A" <= letter <= "Z")
        body = head + eight
        for last in range(low, size):
            yield f"{body}{_PAIRS[last]}{first}{middle}{CHECKS[bits | _PAIR_BITS[last] << 3]}"
        number = (high + 1) * size
