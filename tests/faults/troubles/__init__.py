"""What can be wrong on a storage host, one thing at a time: what is answered, who else minds, and what heals it."""
