"""One client for language models: settings, session, requests, transports, cache, ledger, limits, parsing, media."""
