"""What was found, as intervals, tables, figures, pages and cards.

The names, listed in `__init__.pyi`, load on first use: who wants an interval needs no plotting library.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
