"""Tools that are plain functions of a Python module.

The module names them in `TOOLS: Mapping[str, Callable]`. A function takes the tool's arguments as keywords and, where
it declares them, the keyword-only `idempotency_key` (text) and `context` (a small mapping: what the source was bound
to, and `now`). A synchronous function runs in a thread unless it carries `quick = True`. It answers with JSON; it says
no by raising an exception that has a text `code`.
"""

from remit.adapters.python.transport import PythonTransport

__all__ = ["PythonTransport"]
