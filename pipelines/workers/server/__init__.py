"""Asking servers that speak OpenAI's chat completions: `worker` is what `connect` opens, the rest what it stands on.

`wire` says what a request and an answer look like, `score` how a server scores, `pictures` how pictures travel and
`held` which of them a server has already; `limit` says how much a server is given at once, `retry` what is tried again,
`route` which of several servers is asked. `desk` brings them together, and `loop` is the one thread that does the
talking.
"""
