"""The audit as people read it: page, filters, export, API. Writing and proving it belongs to `integrations.audit`."""
