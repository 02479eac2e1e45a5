"""Segments: conditions over customers and end users, answered for all records at once and for a single one alike.

`matches(segment, end_user, now=...)` asks for one record, `members_of` and `count_members` for all.
"""

from integrations.product.segments.membership import count_members, matches, matching, members_of

__all__ = ["count_members", "matches", "matching", "members_of"]
