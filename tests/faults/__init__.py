"""Every operation is interrupted at every command it runs on the storage host, in every way, and has to heal."""
