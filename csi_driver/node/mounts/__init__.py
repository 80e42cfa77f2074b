"""Mounts: what is mounted where, and making it so."""
