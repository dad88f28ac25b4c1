"""Sidecars of this control plane: enrolled, known by their token, listed, removed."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from remit.budgets import tenant_balance
from remit.control_plane.core import Core, iso
from remit.errors import FactExists, InvalidInput, NotFound, RecordRefused, SidecarUnknown
from remit.identity import Principal, Right, require, rights_of
from remit.ids import StreamId
from remit.ledger import Commit, Draft, MoveBalance, PutRecord, Write
from remit.ledger.seal import PublicKey
from remit.sidecars import Account

#: Tables of the store: who is enrolled, what each holds on lease, which bundle it was given, and its record.
ENROLLED, ACCOUNTS, BUNDLES, RECORDS = "sidecar", "sidecar-account", "sidecar-bundle", "sidecar-record"
_NAME_MAX = 100
#: How much a sidecar may hold unspent, where the enrolment does not say.
_SLICE_MICROS = 1_000_000
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One sidecar as it was enrolled."""

    id: str
    name: str
    agent: str
    principal: str
    slice_usd_micros: int
    #: The most that it may ever spend; None for no bound of its own.
    budget_usd_micros: int | None
    #: The key that seals its record; empty until it joined.
    vkey: str

    @classmethod
    def of(cls, name: str, told: Mapping[str, Any]) -> "Enrolled":
        """As it stands in the store."""
        fields = ("name", "agent", "principal", "slice_usd_micros", "budget_usd_micros", "vkey")
        return cls(name, *(told[field] for field in fields))

    @property
    def stream(self) -> StreamId:
        """The stream of this control plane that says what came of it."""
        return StreamId(f"sidecar/{self.id}")


@dataclass(frozen=True, slots=True)
class Sidecars:
    """Enrolment of one home's sidecars."""

    core: Core

    async def enrol(
        self,
        name: str,
        agent: str,
        principal: str,
        by: Principal,
        *,
        slice_usd_micros: int = _SLICE_MICROS,
        budget_usd_micros: int | None = None,
    ) -> dict[str, Any]:
        """Enrol a sidecar for one agent that acts for one person; the token is in this answer, and nowhere else.

        Raises:
            RightsExceeded: this person may not issue tokens for others, or that one may not submit missions.
            NotFound: there is no such agent.
            InvalidInput: the agent is run by Remit itself, or a number is out of its bounds.
        """
        require(by, Right.TOKENS)
        registry = self.core.door.controls.registry
        require(registry.principal(principal), Right.SUBMIT)
        version = registry.agent(agent)
        if not version.connected:
            raise InvalidInput(
                f"{version.ref} is run by Remit itself.", hint="A sidecar is for an agent that is `connected`."
            )
        if not 1 <= len(name) <= _NAME_MAX:
            raise InvalidInput(f"A sidecar's name has 1 to {_NAME_MAX} characters.")
        if slice_usd_micros < 0 or (budget_usd_micros or 0) < 0:
            raise InvalidInput("An amount is not below zero.")
        ident, secret = self.core.ids.new("sdc"), secrets.token_urlsafe(_SECRET_BYTES)
        told = {
            "name": name,
            "agent": version.name,
            "principal": principal,
            "slice_usd_micros": slice_usd_micros,
            "budget_usd_micros": budget_usd_micros,
            "vkey": "",
            "secret": sha256(secret.encode()).hexdigest(),
            "enrolled_at_us": self.core.now_us,
        }
        payload = {"sidecar": ident, "name": name, "agent": version.name, "principal": principal}
        await self._write("sidecar.enrolled", payload, by, [PutRecord(ENROLLED, ident, told)])
        return {
            "id": ident,
            "name": name,
            "agent": version.name,
            "principal": principal,
            "token": f"{ident}.{secret}",
            "vkey": self.core.signer.public.vkey,
        }

    async def known(self, token: str) -> Enrolled:
        """Whose token this is.

        Raises:
            SidecarUnknown: nobody's that is enrolled.
        """
        ident, _, secret = token.partition(".")
        told = await self.core.store.record(ENROLLED, ident) if len(ident) < _NAME_MAX else None
        given = sha256(secret.encode()).hexdigest()
        if told is None or not compare_digest(given, told["secret"]):
            raise SidecarUnknown
        return Enrolled.of(ident, told)

    async def join(self, one: Enrolled, vkey: str) -> Enrolled:
        """Fix the key that seals the sidecar's record; the first one stands.

        Raises:
            RecordRefused: another home came with this token before.
            InvalidInput: it is no key.
        """
        PublicKey.parse(vkey)
        if one.vkey == vkey:
            return one
        if one.vkey:
            raise RecordRefused("Another home joined with this token before.", rule="record_of_another")
        told = {**(await self.core.store.record(ENROLLED, one.id) or {}), "vkey": vkey}
        draft = Draft(
            one.stream, "sidecar.joined", {"sidecar": one.id, "vkey": vkey}, f"sidecar:{one.id}", self.core.now_us,
            fact="joined",
        )  # fmt: skip
        await self.core.store.commit(Commit((draft,), (PutRecord(ENROLLED, one.id, told),)))
        return Enrolled.of(one.id, told)

    async def all(self, by: Principal) -> list[dict[str, Any]]:
        """Every sidecar that is enrolled, what it holds and how far its record has come.

        Raises:
            RightsExceeded: this person may neither read the ledger, nor halt, nor issue tokens for others.
        """
        if not {Right.HALT, Right.TOKENS} & rights_of(by):
            require(by, Right.READ_LEDGER)
        store = self.core.store
        found = []
        for ident, told in await store.records(ENROLLED):
            account = Account.from_json(await store.record(ACCOUNTS, ident))
            record = await store.record(RECORDS, ident)
            bundle = await store.record(BUNDLES, ident)
            found.append(
                {
                    "id": ident,
                    "name": told["name"],
                    "agent": told["agent"],
                    "principal": told["principal"],
                    "serial": bundle["serial"] if bundle else 0,
                    "entries": record["tree"]["size"] if record else 0,
                    "used_usd_micros": account.used,
                    "held_usd_micros": account.outstanding,
                    "enrolled_at": iso(told["enrolled_at_us"]),
                    "heard_at": iso(record["at_us"]) if record else "",
                }
            )
        return found

    async def remove(self, ident: str, by: Principal) -> dict[str, Any]:
        """Know a sidecar no more: it refuses every call within about a second, and what it still holds counts as spent.

        Its record stays.

        Raises:
            RightsExceeded: this person may neither halt nor issue tokens for others.
            NotFound: there is none.
        """
        if Right.HALT not in rights_of(by):
            require(by, Right.TOKENS)
        store = self.core.store
        while True:
            told = await store.record(ENROLLED, ident)
            if told is None:
                raise NotFound(f"There is no sidecar {ident}.", hint="`remit sidecars list` shows them.")
            account = Account.from_json(await store.record(ACCOUNTS, ident))
            spent = account.outstanding
            # Nobody can say any more what it has spent: the worst case is what it could.
            settled = Account(account.granted, account.used + spent, account.returned, account.changes + 1)
            writes: list[Write] = [PutRecord(ENROLLED, ident, None), PutRecord(ACCOUNTS, ident, settled.to_json())]
            if spent:
                writes.append(MoveBalance(tenant_balance(self.core.door.tenant), used=spent, held=-spent))
            payload = {"sidecar": ident, "name": told["name"], "written_off": spent}
            try:
                await self._write("sidecar.removed", payload, by, writes, fact=f"account/{ident}/{settled.changes}")
            except FactExists:
                continue  # its account changed meanwhile
            return {"id": ident, "removed": True, "written_off_usd_micros": spent}

    async def _write(
        self, kind: str, payload: Mapping[str, Any], by: Principal, writes: list[Any], *, fact: str | None = None
    ) -> None:
        core = self.core
        # The account's changes are counted in one stream, whoever makes them.
        stream = StreamId(f"sidecar/{payload['sidecar']}")
        draft = Draft(stream, kind, payload, by.actor, core.now_us, fact=fact)
        await core.store.commit(Commit((draft,), tuple(writes)))
