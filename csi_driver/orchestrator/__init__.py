"""The storage backend by Ansible playbooks. Knows neither gRPC nor the CSI surface."""
