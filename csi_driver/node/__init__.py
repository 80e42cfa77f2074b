"""The node side: attach, format, mount. Knows neither gRPC, Ansible nor ZFS."""
