"""The storage domain: volumes, publications, identities. Knows neither gRPC nor Ansible."""
