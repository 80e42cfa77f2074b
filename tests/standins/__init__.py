"""Stand-ins for system commands of a node, put in front of PATH so that the driver runs unchanged."""
