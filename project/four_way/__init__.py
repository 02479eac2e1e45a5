"""The four-way audit: sold, granted, used and billed, compared customer by customer."""
