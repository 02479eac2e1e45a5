"""Acting on a result: the customers behind a number as a segment, as campaign members, as a flag on accounts."""
