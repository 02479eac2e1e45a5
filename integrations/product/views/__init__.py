"""Web pages of product experience."""
