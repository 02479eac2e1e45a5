"""What needs a person, over all domains: one small file a domain, one list."""
