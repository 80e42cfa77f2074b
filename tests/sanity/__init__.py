"""kubernetes-csi's own csi-sanity against the whole system, and nothing left behind afterwards."""
