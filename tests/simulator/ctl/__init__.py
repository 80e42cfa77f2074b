"""
FreeBSD's CAM target layer and its daemon ctld, as a model.

Read in this order: `config` (what a configuration is), `lexer` and `conf` (the classic grammar),
`ucl` (the other one), `builder` and `verify` (what ctld checks, in its order and its words), `load`
(a whole file in either grammar), `kernel` (LUNs, ports, sessions), `apply` (the difference between
two configurations), `daemon` (the process: signals, reloads, logins), `xml` and `listing` (what
ctladm prints).
"""
