"""
libucl's configuration language, as far as ctld(8) can meet it, and how ctld reads it with -u.

Read in this order: `tree` (values, and what becomes of a key that comes twice), `source` and `scalars` (characters,
strings, numbers), `reader` (the language), `macros` (`.include`), then `convert14` and `convert15`: the same tree is
read differently by FreeBSD 14 and 15.

The language is libucl 0.9's, with its oddities, because a file that means something else than its author thinks is
what this exists to show. What differs between the versions of libucl, or needs more than a file (URLs, signatures,
prefixes, priorities, variables), raises `Unmodelled`. Source: contrib/libucl/src/ucl_parser.c, ucl_util.c.
"""
