"""Programs whose every Python process is measured from its first line on."""
