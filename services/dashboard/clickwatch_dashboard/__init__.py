"""What happens in the shop, on pages and as JSON, read from the serving layer."""
