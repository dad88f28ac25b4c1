"""Which variables and files hold keys of well-known services; their values are never looked at."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Beginnings of variables' names, and whose keys they are.
_SERVICES = {
    "ANTHROPIC_": "Anthropic", "AWS_": "Amazon", "AZURE_": "Microsoft", "CLAUDE_": "Anthropic", "CO_": "Cohere",
    "COHERE_": "Cohere", "DATABASE_URL": "a database", "DEEPSEEK_": "DeepSeek", "FIREWORKS_": "Fireworks",
    "GEMINI_": "Google", "GH_": "GitHub", "GITHUB_": "GitHub", "GITLAB_": "GitLab", "GOOGLE_": "Google",
    "GROQ_": "Groq", "HF_": "Hugging Face", "HUGGINGFACE": "Hugging Face", "MISTRAL_": "Mistral", "MYSQL_": "MySQL",
    "NVIDIA_": "NVIDIA", "OPENAI_": "OpenAI", "OPENROUTER_": "OpenRouter", "PERPLEXITY_": "Perplexity",
    "PG": "PostgreSQL", "POSTGRES": "PostgreSQL", "REPLICATE_": "Replicate", "SLACK_": "Slack", "STRIPE_": "Stripe",
    "TOGETHER_": "Together", "VAULT_": "Vault", "XAI_": "xAI",
}  # fmt: skip
_SECRET = re.compile(
    r"(^|_)(API_?KEY|ACCESS_?KEY(_ID)?|SECRET(_ACCESS_KEY|_KEY)?|TOKEN|PASSWORD|PASSWD|PAT|PRIVATE_KEY|CREDENTIALS)$"
    r"|^(PGPASSWORD|DATABASE_URL|GOOGLE_APPLICATION_CREDENTIALS)$",
    re.IGNORECASE,
)
_PROXY = frozenset({"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"})
#: Below the home of a user: where programs keep logins.
_FILES = (
    ".netrc", ".pgpass", ".my.cnf", ".git-credentials", ".npmrc", ".pypirc", ".aws/credentials",
    ".azure/msal_token_cache.json",
    ".cache/huggingface/token", ".config/gcloud/application_default_credentials.json", ".config/gcloud/credentials.db",
    ".config/gh/hosts.yml", ".docker/config.json", ".kube/config", ".ssh/id_dsa", ".ssh/id_ecdsa", ".ssh/id_ed25519",
    ".ssh/id_rsa", ".vault-token",
)  # fmt: skip
_ENV_LINE = re.compile(r"(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*\S")
_ENV_BYTES = 256 * 1024


def secret_names(names: Iterable[str]) -> dict[str, str]:
    """Those that hold secrets, by name, and whose they are; empty where that is not known."""
    return {name: _whose(name) for name in sorted(names) if _SECRET.search(name)}


def proxies(names: Iterable[str]) -> list[str]:
    """Those that name a proxy."""
    return sorted(name for name in names if name.upper() in _PROXY)


def secret_files(person: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """Files that this process may read and that hold logins, and what is known of what stands in them."""
    for name in _FILES:
        if _readable(person / name):
            yield f"~/{name}", ""
    for path in sorted(folder.glob(".env*")):
        if _readable(path):
            told = secret_names(_ENV_LINE.findall(_beginning(path)))
            if told:
                yield path.name, ", ".join(told)


def _whose(name: str) -> str:
    return next((whose for start, whose in _SERVICES.items() if name.upper().startswith(start)), "")


def _readable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.R_OK)


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_ENV_BYTES).decode("utf-8", "replace")
