"""Preference alignment for video language models, on top of TRL.

The public names, listed in `__init__.pyi`, load on first use, so that `import vidalign` costs nothing and a project that
wants one loss imports torch only.
"""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
