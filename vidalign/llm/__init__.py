"""One client for language models: settings, session, requests, transports, cache, ledger, limits, parsing, media.

The names, listed in `__init__.pyi`, load on first use: the client's libraries take longer to import than a reward that needs
no model. `vidalign.judge` has them as well.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
