"""Deals become provisions: claims, intake, poll, steps, callout, write-back, and what is asked when a won deal is undone."""
