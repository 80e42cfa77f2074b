"""Hostile input: whatever the types allow, into every call and every parser."""
