"""Bulk API 2.0 of the demo org: query and ingest jobs that change their state over time."""
