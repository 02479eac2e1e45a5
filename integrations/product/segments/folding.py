"""Text without case, the same in Python and in every engine of the lake. Pure.

Letters are lowered one by one (no rule looks at its neighbors, as a final sigma would), accents are composed, and the two
letters that have two lower forms become one: ς is σ, ß is ss. `fold_sql` is held against `fold` over all of Unicode.
"""

import unicodedata


def fold(text: str) -> str:
    """`text` as it is compared: "STRASSE" and "straße" are equal, and so are both spellings of É in any case."""
    if text.isascii():
        return text.lower()
    normal = unicodedata.normalize("NFC", text)
    return "".join(map(_lower, normal)).replace("ς", "σ").replace("ß", "ss")


def _lower(sign: str) -> str:
    lowered = sign.lower()
    return lowered if len(lowered) == 1 else "i"  # only İ has a lower form of two signs


def fold_sql(value: str) -> str:
    """SQL (with the dialect's words) of the same; plain ASCII takes the short way."""
    bare = f"replace(replace({{{{normalize({value})}}}}, 'Σ', 'σ'), 'İ', 'i')"
    full = f"replace(replace({{{{lower({bare})}}}}, 'ς', 'σ'), 'ß', 'ss')"
    return f"CASE WHEN {{{{matches({value}, '^[ -~]*$')}}}} THEN {{{{lower({value})}}}} ELSE {full} END"
