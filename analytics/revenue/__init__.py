"""Revenue: movements, net and gross revenue retention, cohort revenue."""
