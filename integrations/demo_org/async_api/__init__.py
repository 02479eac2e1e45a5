"""Bulk API 1.0 (`/services/async/{version}/job`): jobs with batches in CSV, XML or JSON."""

from integrations.demo_org.async_api.endpoints import routes

__all__ = ["routes"]
