"""Web pages of billing."""
