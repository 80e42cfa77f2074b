"""Attach: from a publication to a block device, and back."""
