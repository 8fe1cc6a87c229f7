"""The sandbox: the only place where code that a model wrote is ever run. docs/sandbox.md says what it withstands."""

from pipelines.sandbox.box import Ran, Sandbox, Trouble
from pipelines.sandbox.worker import Limits, Unavailable

__all__ = ["Limits", "Ran", "Sandbox", "Trouble", "Unavailable"]
