"""Random histories of volumes, snapshots and copies, held against a model of what CSI promises."""
