"""A model provider that follows a script, over HTTP, in every dialect.

`server` runs it, `scripts` says what goes wrong, `answers` what is said, `cases` is the table that
every dialect has to pass, and `outcomes` is what a client saw of it.
"""
