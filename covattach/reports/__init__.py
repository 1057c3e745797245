"""Data files and reports, made of snapshots."""
