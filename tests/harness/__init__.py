"""The whole system on one machine: a simulated storage host, the real driver, a real node."""
