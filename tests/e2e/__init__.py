"""The whole system: gRPC to gRPC, through Ansible and SSH, on a simulated host."""
