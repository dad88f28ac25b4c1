"""The scripted OpenAI-compatible server that stands beside the checkout."""

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

_STUB = Path(__file__).parents[4] / "shared" / "tools" / "stub_llm" / "stub.py"


def stub_server(script: dict[str, Any], **options: Any) -> Any:
    """A server with this script, as a context manager; skips where it is not there, but never in CI."""
    if not _STUB.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{_STUB} is missing, and the model path must be proved in CI.")
        pytest.skip("the scripted model server (../shared/tools/stub_llm) is not beside the checkout")
    spec = importlib.util.spec_from_file_location("stub_llm", _STUB)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.StubServer(script, **options)
