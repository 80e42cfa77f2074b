"""Molecule scenarios: what they need, and a runner that counts them."""
