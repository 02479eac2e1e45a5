"""The mirror: every Salesforce object that some domain needs, read once, incrementally, into the lake.

Other rooms read mirrored records by `live`, `find` and `sample`, say what they need by `needs.register_needs`, and hear of
merges, deletions and changed shapes by `hooks.register`. Nobody else reads records in bulk.
"""

from integrations.sync.mirror.tables import find, live, sample

__all__ = ["find", "live", "sample"]
