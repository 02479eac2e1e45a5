"""The health score of customers: weighted parts of usage, NPS, support and renewal, kept by day and explained (PX-42)."""
