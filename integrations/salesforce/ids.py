"""Record ids: 15 characters, case-sensitive, or the same with 3 checksum characters (safe to compare in any case)."""

import re

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?\Z")
GROUP = 5


def checksum_of(body: str) -> str:
    """The 3 characters that follow `body` (15 characters): one per group of 5, bit k set when character k is A-Z."""
    marks = []
    for start in range(0, 15, GROUP):
        bits = sum(1 << place for place, letter in enumerate(body[start : start + GROUP]) if "A" <= letter <= "Z")
        marks.append(ALPHABET[bits])
    return "".join(marks)


def to_18(text: str) -> str:
    """The 18-character form of a 15- or 18-character id (R-051); ValueError when `text` is not an id.

    An 18-character id that lost its case on the way (a spreadsheet, a lower-cased URL) gets it back from its checksum.
    """
    if not isinstance(text, str) or not SHAPE.match(text):
        raise ValueError(f"not a Salesforce id: {str(text)[:40]!r}")
    body, mark = text[:15], text[15:]
    if not mark:
        return body + checksum_of(body)
    if mark.upper() == checksum_of(body):
        return body + mark.upper()
    if body in (body.lower(), body.upper()):
        return _restore_case(body, mark.upper())
    raise ValueError(f"Salesforce id with a wrong checksum: {text!r}")


def is_id(text: object) -> bool:
    """Whether `text` is a well-formed 15- or 18-character id (an 18-character one with the right checksum)."""
    try:
        to_18(text)  # type: ignore[arg-type]
    except ValueError:
        return False
    return True


def key_prefix(text: str) -> str:
    """The first three characters, which name the object type (`001` Account, `00O` Report)."""
    return to_18(text)[:3]


def _restore_case(body: str, mark: str) -> str:
    """`body` with the case that its checksum `mark` says; ValueError when no such id exists."""
    letters = []
    for place, letter in enumerate(body):
        bits = ALPHABET.find(mark[place // GROUP])
        letters.append(letter.upper() if bits >> (place % GROUP) & 1 else letter.lower())
    restored = "".join(letters)
    if any(sign not in ALPHABET for sign in mark) or checksum_of(restored) != mark:
        raise ValueError(f"Salesforce id with a wrong checksum: {body + mark!r}")
    return restored + mark
