"""Taking in product events: accepted into a durable buffer, flushed into the lake each minute, each id once (I-04, L-09)."""
