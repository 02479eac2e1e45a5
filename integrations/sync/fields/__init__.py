"""Fields that a mapping wants to write and the org does not have yet: proposed, checked, created and made visible."""
