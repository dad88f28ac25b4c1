"""Everything that can be configured, read once from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
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
    #: REMIT_STORE: the database that holds the record, as `postgresql://USER@HOST:PORT/DATABASE`; a password may stand
    #: in it, or in PGPASSWORD or a .pgpass file; default what `remit init` was told, else `remit.sqlite` in the home.
    store: str = field(default="", repr=False, kw_only=True)
    #: REMIT_MODEL: a model as pydantic-ai names it (`openai:gpt-4o-mini`), or the base URL of an OpenAI-compatible
    #: endpoint, optionally with `#MODEL`; default none.
    model: str = ""
    #: REMIT_MODEL_PRICE: `INPUT/OUTPUT` in US dollars per million tokens; default the published price.
    model_price: str = ""
    #: REMIT_MODEL_NETWORK: addresses, networks and host names, with commas between them, at which the model may be
    #: reached though they are not public; a model put on this machine by its address needs none; default none.
    model_network: tuple[str, ...] = ()
    #: REMIT_PARALLEL: steps of one mission at once, 1 to 256; default 16.
    parallel: int = 16
    #: REMIT_MISSIONS: missions that one process drives at once, 1 to 4096; those that wait take no place; default 256.
    missions: int = field(default=256, kw_only=True)
    #: REMIT_MISSIONS_OPEN: missions of one person that may be open at once, 1 to 1000000; default 20000.
    missions_open: int = field(default=20_000, kw_only=True)
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
    #: REMIT_TEMPORAL: where Temporal listens, such as `temporal.internal:7233`; with it many processes drive the home's
    #: missions, each at a worker (`remit worker`); default none, and one process drives them all.
    temporal: str = ""
    #: REMIT_TEMPORAL_NAMESPACE: the namespace there; default `default`.
    temporal_namespace: str = "default"
    #: REMIT_TEMPORAL_TLS: `1` speaks TLS with Temporal; any of the files below does so too; default no.
    temporal_tls: bool = False
    #: REMIT_TEMPORAL_CA_FILE: certificates of those who vouch for Temporal, PEM; default the public ones.
    temporal_ca_file: Path | None = None
    #: REMIT_TEMPORAL_CERTIFICATE_FILE: this process's own certificate, PEM, with its key; default none.
    temporal_certificate_file: Path | None = None
    #: REMIT_TEMPORAL_KEY_FILE: the key of that certificate, PEM; default none.
    temporal_key_file: Path | None = None
    #: REMIT_TEMPORAL_API_KEY_FILE: file that holds the API key for Temporal; default none.
    temporal_api_key_file: Path | None = None

    @property
    def reader(self) -> str:
        """What reads and judges, in words."""
        return f"model {self.model}" if self.model else OFFLINE


def read_settings(environment: Mapping[str, str], *, home: Path | None = None) -> Settings:
    """Settings from the environment; an explicit home goes before REMIT_HOME.

    Raises:
        InvalidSetting: names every variable that has no valid value.
    """
    faults: list[str] = []
    parallel = environment.get("REMIT_PARALLEL", "16")
    if not parallel.isdigit() or not 1 <= int(parallel) <= 256:
        faults.append(f"REMIT_PARALLEL is {parallel!r}; a whole number from 1 to 256 is taken")
    missions = _whole(environment, "REMIT_MISSIONS", 256, 4096, faults)
    missions_open = _whole(environment, "REMIT_MISSIONS_OPEN", 20_000, 1_000_000, faults)
    unsandboxed = environment.get("REMIT_ALLOW_UNSANDBOXED", "")
    if unsandboxed not in {"", "0", "1"}:
        faults.append(f"REMIT_ALLOW_UNSANDBOXED is {unsandboxed!r}; 0 or 1 is taken")
    vault = environment.get("REMIT_VAULT_ADDRESS", "").strip()
    if vault and (not vault.startswith(("http://", "https://")) or "@" in vault):
        faults.append("REMIT_VAULT_ADDRESS is no address such as https://vault.internal:8200")
    store = environment.get("REMIT_STORE", "").strip()
    if store and not store.startswith(("postgresql://", "postgres://")):
        faults.append("REMIT_STORE is no address such as postgresql://remit@db.internal:5432/remit")
    tls = environment.get("REMIT_TEMPORAL_TLS", "")
    if tls not in {"", "0", "1"}:
        faults.append(f"REMIT_TEMPORAL_TLS is {tls!r}; 0 or 1 is taken")
    files = {name: environment.get(f"REMIT_TEMPORAL_{name}_FILE") for name in ("CA", "CERTIFICATE", "KEY", "API_KEY")}
    if bool(files["CERTIFICATE"]) != bool(files["KEY"]):
        faults.append("REMIT_TEMPORAL_CERTIFICATE_FILE and REMIT_TEMPORAL_KEY_FILE go together")
    if tls == "0" and any(files.values()):
        faults.append("REMIT_TEMPORAL_TLS is '0', and files for TLS or an API key are named")
    if faults:
        raise InvalidSetting("; ".join(faults) + ".")
    token_file = environment.get("REMIT_VAULT_TOKEN_FILE")
    chosen = home or Path(environment.get("REMIT_HOME") or Path.home() / ".remit")
    network = environment.get("REMIT_MODEL_NETWORK", "").split(",")
    return Settings(
        chosen.expanduser().absolute(),
        environment.get("REMIT_MODEL", "").strip(),
        environment.get("REMIT_MODEL_PRICE", "").strip(),
        tuple(entry.strip() for entry in network if entry.strip()),
        int(parallel),
        unsandboxed == "1",
        bool(environment.get("OPENAI_API_KEY")),
        Path(environment.get("REMIT_MOUNTED_SECRETS") or MOUNTED_SECRETS).absolute(),
        vault,
        Path(token_file).absolute() if token_file else None,
        environment.get("REMIT_TEMPORAL", "").strip(),
        environment.get("REMIT_TEMPORAL_NAMESPACE", "").strip() or "default",
        tls == "1" or any(files.values()),
        *(Path(name).absolute() if name else None for name in files.values()),
        store=store,
        missions=missions,
        missions_open=missions_open,
    )


def _whole(environment: Mapping[str, str], name: str, default: int, most: int, faults: list[str]) -> int:
    """A whole number from 1 on; what is none is told in `faults`."""
    told = environment.get(name, "").strip()
    if not told:
        return default
    if not (told.isascii() and told.isdigit() and len(told) <= 9 and 1 <= int(told) <= most):
        faults.append(f"{name} is {told!r}; a whole number from 1 to {most} is taken")
        return default
    return int(told)


def environment() -> Mapping[str, str]:
    """The process's environment; nothing else reads it."""
    return os.environ
