"""The tool `chat` as a caller sees it."""

from typing import Any

OUTPUT_NAME = "answer"
#: What an agent may set about a request. Not: headers, bodies, time limits and retries, which belong to Remit.
SETTINGS = frozenset(
    {
        "frequency_penalty",
        "max_tokens",
        "parallel_tool_calls",
        "presence_penalty",
        "seed",
        "stop_sequences",
        "temperature",
        "thinking",
        "tool_choice",
        "top_p",
    }
)

DEFINITION: dict[str, Any] = {
    "name": "chat",
    "description": "Ask the language model once: a prompt, or a whole conversation in pydantic-ai's form.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "instructions": {"type": "string"},
            "prompt": {"type": "string"},
            "output_schema": {"type": "object", "description": "JSON schema of the object to answer with."},
            "output_name": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            "max_output_tokens": {"type": "integer", "minimum": 1},
            "messages": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "parameters": {"type": "object", "description": "pydantic-ai's ModelRequestParameters."},
            "settings": {"type": "object", "propertyNames": {"enum": sorted(SETTINGS)}},
        },
        "oneOf": [{"required": ["prompt"]}, {"required": ["messages"]}],
        "additionalProperties": False,
    },
}
