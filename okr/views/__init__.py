"""Pages of objectives, key results, links and licenses."""
