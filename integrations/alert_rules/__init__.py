"""Where alerts go: the catalog of alerts, rules, and telling places by them."""
