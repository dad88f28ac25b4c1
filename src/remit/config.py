"""Everything that can be configured, read once from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from remit.errors import InvalidSetting

#: What stands on the screen, in the ledger and in the report where no model is configured.
OFFLINE = "offline rules, no language model"
MOUNTED_SECRETS = Path("/var/run/secrets/remit")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one process. Each field names its variable, unit, bounds and default."""

    #: REMIT_HOME: the folder that holds store, keys and ERP; default `~/.remit`.
    home: Path
    #: REMIT_MODEL: a model as pydantic-ai names it (`openai:gpt-4o-mini`), or the base URL of an OpenAI-compatible
    #: endpoint, optionally with `#MODEL`; default none.
    model: str = ""
    #: REMIT_MODEL_PRICE: `INPUT/OUTPUT` in US dollars per million tokens; default the published price.
    model_price: str = ""
    #: REMIT_PARALLEL: steps of one mission at once, 1 to 256; default 16.
    parallel: int = 16
    #: REMIT_ALLOW_UNSANDBOXED: `1` lets tool servers that are not Remit's own start without bubblewrap; default no.
    allow_unsandboxed: bool = False
    #: OPENAI_API_KEY: the key of the models of `openai`; only whether it is set is looked at here, and told by
    #: `remit doctor`. The model's client reads it.
    openai_key_set: bool = False
    #: REMIT_MOUNTED_SECRETS: folder under which a cluster mounts one folder for each secret, of which
    #: `kubernetes:SECRET/KEY` speaks; default `/var/run/secrets/remit`.
    mounted_secrets: Path = MOUNTED_SECRETS
    #: REMIT_VAULT_ADDRESS: where HashiCorp Vault stands, such as `https://vault.internal:8200`, of which
    #: `vault:MOUNT/PATH#FIELD` speaks; default none.
    vault_address: str = ""
    #: REMIT_VAULT_TOKEN_FILE: file that holds the token for Vault; default `vault.token` in the home.
    vault_token_file: Path | None = None

    @property
    def reader(self) -> str:
        """What reads and judges, in words."""
        return f"model {self.model}" if self.model else OFFLINE


def read_settings(environment: Mapping[str, str], *, home: Path | None = None) -> Settings:
    """Settings from the environment; an explicit home goes before REMIT_HOME.

    Raises:
        InvalidSetting: names every variable that has no valid value.
    """
    faults = []
    parallel = environment.get("REMIT_PARALLEL", "16")
    if not parallel.isdigit() or not 1 <= int(parallel) <= 256:
        faults.append(f"REMIT_PARALLEL is {parallel!r}; a whole number from 1 to 256 is taken")
    unsandboxed = environment.get("REMIT_ALLOW_UNSANDBOXED", "")
    if unsandboxed not in {"", "0", "1"}:
        faults.append(f"REMIT_ALLOW_UNSANDBOXED is {unsandboxed!r}; 0 or 1 is taken")
    vault = environment.get("REMIT_VAULT_ADDRESS", "").strip()
    if vault and (not vault.startswith(("http://", "https://")) or "@" in vault):
        faults.append("REMIT_VAULT_ADDRESS is no address such as https://vault.internal:8200")
    if faults:
        raise InvalidSetting("; ".join(faults) + ".")
    token_file = environment.get("REMIT_VAULT_TOKEN_FILE")
    chosen = home or Path(environment.get("REMIT_HOME") or Path.home() / ".remit")
    return Settings(
        chosen.expanduser().absolute(),
        environment.get("REMIT_MODEL", "").strip(),
        environment.get("REMIT_MODEL_PRICE", "").strip(),
        int(parallel),
        unsandboxed == "1",
        bool(environment.get("OPENAI_API_KEY")),
        Path(environment.get("REMIT_MOUNTED_SECRETS") or MOUNTED_SECRETS).absolute(),
        vault,
        Path(token_file).absolute() if token_file else None,
    )
