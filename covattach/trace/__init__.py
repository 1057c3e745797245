"""Function calls as they happen, as `trace` shows them."""
