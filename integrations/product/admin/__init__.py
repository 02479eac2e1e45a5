"""Back office of product experience, by subject."""

from integrations.product.admin import engagements, events, features, health, knowledge, segments

__all__ = ["engagements", "events", "features", "health", "knowledge", "segments"]
