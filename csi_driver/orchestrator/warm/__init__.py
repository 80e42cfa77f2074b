"""
Ansible kept warm: what a run needs is started, imported and connected before its request comes.

`forkserver` is a process with Ansible imported that forks one child for each run; `launcher` stands
in for `ansible-playbook` and has the fork server do the run; `broker` keeps one SSH channel with an
interpreter (`agent`) at its end for each storage host. Each falls back to what it replaces.
"""
