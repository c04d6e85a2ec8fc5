"""Vendor modules and the driving side: everything around the pure core that touches the world.

One vendor, one module, one extra; a module whose extra is not installed says which one to install.
"""

__all__: list[str] = []
