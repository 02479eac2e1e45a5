"""People: who they are here, what they may do, and their own page."""
