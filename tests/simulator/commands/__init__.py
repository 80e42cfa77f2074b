"""The simulated commands; importing a module of this package registers what it defines."""

import importlib
import pkgutil


def load_all() -> None:
    """Import every module of this package, so that the registry knows every command and part."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
