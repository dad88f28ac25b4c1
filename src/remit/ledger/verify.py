"""Verification: is this the record that was sealed, and if not, which entry was touched first?

`Verifier` takes entries and seals one after the other, from a store or from a file. `verify_export` reads an exported
file with nothing else at hand. Both hold one head for each stream and no entries, and answer with a `Verdict` whatever
they are given.

What can be proved, and what cannot: a seal proves every entry that it covers, against everyone who does not have the
key. Entries behind the newest seal are held together by their chains and the footer only. Whoever has the key, or cuts
a file back to an older seal, is found only by comparing with a seal that was kept elsewhere (`kept`).
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple

from remit.errors import InvalidInput
from remit.ledger.chain import Chains, Finding, Flaw, Link, read_link
from remit.ledger.entry import leaf_hash
from remit.ledger.export import EntryLine, Footer, Header, SealLine, read_line
from remit.ledger.seal import PublicKey, Seal, open_seal
from remit.ledger.tree import CompactRange, includes

#: Leaves are put into the tree this many at a time.
_LEAVES_MAX = 4096


class Bad(NamedTuple):
    """The first entry that was touched, as exactly as can be proved."""

    #: Line of the file from 1; None in a store. Where something is missing, the line that stands in its place.
    line: int | None
    #: `STREAM@SEQ`, where it is known.
    ref: str | None
    idx: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification found."""

    ok: bool
    #: How many entries were read.
    entries: int
    #: How many of them a seal proves.
    sealed: int
    #: Durable, not sealed: checked against their chains only.
    unsealed: int
    first_bad: Bad | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def refused(cls, reason: str, *, line: int | None = None) -> "Verdict":
        """The verdict on something that could not be read at all."""
        return cls(ok=False, entries=0, sealed=0, unsealed=0, first_bad=Bad(line, None, None, reason))


def verify_rows(key: PublicKey, rows: Iterable[tuple[int, bytes, str]], notes: Iterable[str]) -> Verdict:
    """The verdict on a whole record as a store holds it: its rows in order, and its seals by their size."""
    verifier = Verifier(key)
    seals = iter(notes)
    note = next(seals, None)
    for idx, canonical, digest in rows:
        verifier.entry(idx, canonical, digest)
        if note is not None and int(note.split("\n", 2)[1]) == idx:
            verifier.seal(note)
            note = next(seals, None)
    while note is not None:
        verifier.seal(note)
        note = next(seals, None)
    return verifier.finish()


class Verifier:
    """Checks a record entry by entry.

    Without `covers` the whole record is expected: idx 1 to n, and each seal right after the last entry that it covers.
    With `covers` it is an extract of the streams for which that is true: the seal comes first, and each entry that it
    covers brings its inclusion proof.
    """

    def __init__(
        self,
        key: PublicKey | None,
        *,
        tenant: str | None = None,
        covers: Callable[[str], bool] | None = None,
        kept: Iterable[Seal] = (),
    ) -> None:
        self._key = key
        self._tenant = tenant
        self._extract = covers is not None
        self._covers = covers or (lambda _: True)
        self._kept = {seal.size: seal for seal in kept}
        self._chains = Chains(self._covers)
        self._places = _Places(gapless=not self._extract)
        self._tree = _GrowingTree()
        self._seal: Seal | None = None
        self._sizes: list[int] = []
        self._entries = 0
        self._proved = 0
        self._at = 0
        self._numbered = False
        self._first: Finding | None = None
        self._missing: set[str] = set()
        #: First entry that no seal proves yet, and the first failing seal's window as (first entry, end).
        self._open: Finding | None = None
        self._window: tuple[Finding, int] | None = None

    def entry(
        self,
        idx: int,
        canonical: bytes,
        claimed_hash: str,
        *,
        proof: tuple[bytes, ...] | None = None,
        line: int | None = None,
    ) -> None:
        """Take the next entry."""
        at = self._step(line)
        self._entries += 1
        raw = leaf_hash(canonical)
        link = read_link(canonical, claimed_hash, idx=idx, at=at)
        in_place = self._placed(at, idx, link)
        flaw = self._content(at, idx, link, raw, claimed_hash)
        if flaw is None and self._extract:
            flaw, link = self._prove(link, raw, proof)
        if flaw:
            self._found(flaw)
        elif link and in_place:
            for finding in self._chains.follow(link):
                self._found(finding)
        if self._open is None and not (link and link.proven):
            self._open = Finding(at, Flaw.SEAL_DIFFERS, "it or a later entry", link.ref if link else None, idx)
        if not self._extract and in_place:
            self._grow(at, idx, claimed_hash)

    def seal(self, note: str, *, line: int | None = None) -> None:
        """Take a seal, at the place where it stands."""
        at = self._step(line)
        if self._key is None:
            self._found(Finding(at, Flaw.FORGED_SEAL, "there is a seal, and no key to check it with"))
            return
        try:
            seal = open_seal(note, self._key)
        except InvalidInput as invalid:
            self._found(Finding(at, Flaw.FORGED_SEAL, invalid.detail))
            return
        if seal.size in self._sizes[-1:]:
            self._found(Finding(at, Flaw.DUPLICATED, f"the seal over {seal.size} entries stands twice"))
        elif self._extract:
            self._lead(at, seal)
        else:
            self._cover(at, seal)
        self._sizes.append(seal.size)

    def unreadable(self, reason: str, *, line: int) -> None:
        """Take note of something that is neither an entry nor a seal, in the place of the next entry."""
        at = self._step(line)
        self._found(Finding(at, Flaw.UNREADABLE, reason, idx=self._places.skip()))

    def footer(self, footer: Footer, *, header: str, digest: str, line: int) -> None:
        """Compare what was read with what the footer says; given are the hashes of the header and of all lines."""
        at = self._step(line)
        if footer.entries > self._entries:
            detail = f"the footer says {footer.entries} entries, and there are {self._entries}"
            self._found(Finding(at, Flaw.MISSING, detail, idx=None if self._extract else self._places.next_idx))
        for finding in self._compare_heads(footer, at):
            self._found(finding)
        seen = set(self._sizes)
        for order, size in enumerate(footer.seals):
            if size not in seen:
                place = 2 if self._extract else min(at, 2 + size + order)
                self._found(Finding(place, Flaw.MISSING, f"the seal over {size} entries"))
        if footer.entries < self._entries or len(footer.seals) < len(self._sizes):
            self._found(Finding(at, Flaw.INSERTED, "there is more than the footer says"))
        if header != footer.header:
            self._found(Finding(1, Flaw.CHANGED, "the header is not as it was exported"))
        if digest != footer.sha256 and self._first is None and self._window is None:
            detail = "the number of this entry or of a later one that no seal proves is not as it was exported"
            self._found(replace(self._open or Finding(at, Flaw.CHANGED, ""), flaw=Flaw.CHANGED, detail=detail))

    def finish(self) -> Verdict:
        """The verdict on all that was taken."""
        for doubt in self._chains.finish():
            self._found(doubt)
        furthest = 0 if self._extract else max(self._kept, default=0)
        if furthest > self._places.count:
            detail = f"a seal that was kept covers {furthest} entries, and there are {self._places.count}"
            self._found(Finding(self._at, Flaw.MISSING, detail, idx=self._places.next_idx))
        bad = self._earliest()
        sealed = self._proved if self._extract else min(self._chains.proven_to, self._entries)
        return Verdict(
            ok=bad is None,
            entries=self._entries,
            sealed=sealed,
            unsealed=self._entries - sealed,
            first_bad=Bad(bad.at if self._numbered else None, bad.ref, bad.idx, bad.reason) if bad else None,
            notes=tuple(self._notes(bad, sealed)),
        )

    def _step(self, line: int | None) -> int:
        self._numbered = line is not None
        self._at = self._at + 1 if line is None else line
        return self._at

    def _found(self, finding: Finding) -> None:
        if finding.flaw is Flaw.MISSING and finding.ref:
            self._missing.add(finding.ref)
        if self._first is None or finding.at < self._first.at:
            self._first = finding

    def _placed(self, at: int, idx: int, link: Link | None) -> bool:
        unseen = link is not None and link.seq > self._chains.head(link.stream)[0]
        finding = self._places.take(at, idx, link.ref if link else None, unseen=unseen)
        if finding is None:
            return True
        late = self._places.returned
        if late and self._first and self._first.flaw is Flaw.MISSING and self._first.idx == idx:
            self._first = replace(self._first, flaw=Flaw.REORDERED, ref=finding.ref)
        self._found(finding)
        return not late

    def _content(self, at: int, idx: int, link: Link | None, raw: str, claimed: str) -> Finding | None:
        """What can be said of an entry by itself."""
        if link is None:
            return Finding(at, Flaw.UNREADABLE, "this is no entry", idx=idx)
        if raw != claimed:
            return link.found(Flaw.CHANGED, "its content does not have its hash")
        if self._tenant not in (None, link.tenant):
            return link.found(Flaw.INSERTED, f"it belongs to the tenant {link.tenant!r}")
        if not self._covers(link.stream):
            return link.found(Flaw.INSERTED, "the header does not name its stream")
        return None

    def _prove(
        self, link: Link | None, raw: str, proof: tuple[bytes, ...] | None
    ) -> tuple[Finding | None, Link | None]:
        """Check an extract's entry against its seal."""
        size = self._seal.size if self._seal else 0
        if link is None or (proof is None and link.idx > size):
            return None, link
        if proof is None or self._seal is None or link.idx > size:
            wrong = "it has no proof" if proof is None else "it has a proof, and no seal before it covers it"
            return link.found(Flaw.CHANGED, wrong), link
        if not includes(bytes.fromhex(raw), link.idx - 1, size, proof, self._seal.root):
            return link.found(Flaw.SEAL_DIFFERS, "its proof does not lead to the sealed root"), link
        self._proved += 1
        return None, link._replace(proven=True)

    def _grow(self, at: int, idx: int, leaf: str) -> None:
        if self._places.broken:
            return
        self._tree.append(leaf)
        if idx in self._kept and self._tree.root() != self._kept[idx].root:
            self._fail(at, "a seal that was kept", idx)

    def _lead(self, at: int, seal: Seal) -> None:
        """Take the one seal of an extract."""
        if self._sizes or self._entries:
            self._found(Finding(at, Flaw.REORDERED, "the seal of an extract stands before its entries"))
            return
        self._seal = seal
        kept = self._kept.get(seal.size)
        if kept and kept.root != seal.root:
            self._found(Finding(at, Flaw.SEAL_DIFFERS, "a seal that was kept has another root at the same size"))

    def _cover(self, at: int, seal: Seal) -> None:
        """Take a seal of a whole record: its root must be the root of what was read so far."""
        count = self._places.count
        if self._places.broken:
            return
        if seal.size > count:
            detail = f"the seal covers {seal.size} entries, and {count} stand before it"
            self._found(Finding(at, Flaw.MISSING, detail, idx=count + 1))
        elif seal.size < count:
            later = sum(size > seal.size for size in self._sizes)
            place = at if seal.size in self._sizes else at - (count - seal.size) - later
            detail = f"the seal over {seal.size} entries stands after {count}"
            self._found(Finding(place, Flaw.REORDERED, detail))
        elif seal.root != self._tree.root():
            self._fail(at, "the seal", seal.size)
        else:
            self._chains.proven_to = seal.size
            self._open = None

    def _fail(self, at: int, what: str, size: int) -> None:
        """A seal's root differs: somewhere among the entries that no earlier seal proves."""
        if self._window is None:
            first = self._open or Finding(at, Flaw.SEAL_DIFFERS, "an entry", idx=None)
            detail = f"{first.detail} up to idx {size} was changed together with its hash: {what} has another root"
            self._window = (replace(first, detail=detail), at)

    def _compare_heads(self, footer: Footer, at: int) -> Iterable[Finding]:
        for stream, (seq, head_hash) in footer.heads.items():
            if finding := self._chains.compare(stream, seq, head_hash, at=at, says="the footer"):
                yield finding
        for stream in self._chains.streams():
            if stream not in footer.heads:
                yield self._chains.inserted(stream, "the footer")

    def _earliest(self) -> Finding | None:
        """The finding to name: a failing seal's window only where nothing more exact is known inside it."""
        first = self._first
        if self._window and (first is None or first.at > self._window[1]):
            return self._window[0]
        if first and first.flaw is Flaw.MISSING and first.ref is None and len(self._missing) == 1:
            return replace(first, ref=next(iter(self._missing)))
        return first

    def _notes(self, bad: Finding | None, sealed: int) -> Iterable[str]:
        if unsealed := self._entries - sealed:
            yield f"{unsealed} of {self._entries} entries: durable, not sealed (checked against their chains only)"
        if bad and bad.idx and not self._extract and bad.idx > self._chains.proven_to + 1:
            yield f"entries from idx {self._chains.proven_to + 1} to {bad.idx - 1} are not proved by a seal either"
        if self._extract:
            yield "an extract proves the entries that it has; only a full export shows that nothing came after them"


class _Places:
    """Whether entries stand at their idx."""

    def __init__(self, *, gapless: bool) -> None:
        self._gapless = gapless
        self.next_idx = 1
        #: Something is missing or was skipped, so later roots cannot be computed.
        self.broken = False
        #: The last entry taken stands behind its place.
        self.returned = False
        #: Of an extract: each idx and where it stands.
        self._taken: list[int] = []
        self._stands: list[int] = []

    @property
    def count(self) -> int:
        """How far the record was read."""
        return self.next_idx - 1

    def take(self, at: int, idx: int, ref: str | None, *, unseen: bool) -> Finding | None:
        """Take an entry; `unseen` where its stream has not got as far yet."""
        expected, self.returned = self.next_idx, idx < self.next_idx
        if self.returned and self._gapless and unseen and not self.broken:
            self.next_idx, self.returned = expected + 1, False
            return Finding(at, Flaw.CHANGED, f"it has the number {idx} and stands at idx {expected}", ref, expected)
        if self.returned:
            self.broken = True
            return self._late(at, idx, ref)
        self.next_idx = idx + 1
        if not self._gapless:
            self._taken.append(idx)
            self._stands.append(at)
        if self._gapless and idx > expected:
            self.broken = True
            return Finding(at, Flaw.MISSING, f"idx {idx} stands where idx {expected} belongs", None, expected)
        return None

    def _late(self, at: int, idx: int, ref: str | None) -> Finding:
        """An extract may have gaps, so there an entry is missed only when it comes: where it belongs."""
        place = bisect_left(self._taken, idx)
        if place < len(self._taken) and self._taken[place] != idx:
            at = self._stands[place]
        return Finding(at, Flaw.REORDERED, f"idx {idx} stands after idx {self.count}, or twice", ref, idx)

    def skip(self) -> int | None:
        """Let something unreadable stand for the next entry; its idx, where it is known."""
        self.broken = True
        if not self._gapless:
            return None
        self.next_idx += 1
        return self.next_idx - 1


class _GrowingTree:
    """The root of all leaves so far, from claimed hashes."""

    def __init__(self) -> None:
        self._range = CompactRange()
        self._waiting: list[bytes] = []

    def append(self, leaf: str) -> None:
        try:
            self._waiting.append(bytes.fromhex(leaf))
        except ValueError:
            self._waiting.append(b"")
        if len(self._waiting) >= _LEAVES_MAX:
            self.root()

    def root(self) -> bytes:
        self._range = self._range.extended(self._waiting)
        self._waiting.clear()
        return self._range.root


def verify_export(lines: Iterable[bytes], *, vkey: str | None = None, kept: Iterable[str] = ()) -> Verdict:
    """Check an exported file, with no store at hand; never raises for what the file says.

    `vkey` is the key that the caller trusts: without it the file's own key is used, which a forger of the whole file
    can replace. `kept` are seals that were kept elsewhere: the record must begin with what they covered.
    """
    reader = iter(lines)
    first = _without_newline(next(reader, b""))
    try:
        header = read_line(first)
    except InvalidInput as invalid:
        return Verdict.refused(f"This is not a Remit export: {invalid.detail}", line=1)
    if not isinstance(header, Header):
        return Verdict.refused("This is not a Remit export: its first line is not a header.", line=1)
    trusted = vkey or header.vkey
    try:
        key = PublicKey.parse(trusted) if trusted else None
        known = [_open(note, key) for note in kept]
    except InvalidInput as invalid:
        return Verdict.refused(invalid.detail, line=None if vkey else 1)
    if vkey and header.vkey != vkey:
        return Verdict.refused(f"The file is not sealed by the key that was given: it names {header.vkey}.", line=1)
    covers = header.covers if header.streams is not None else None
    verifier = Verifier(key, tenant=header.tenant, covers=covers, kept=known)
    _read(first, reader, verifier)
    verdict = verifier.finish()
    if key and not vkey:
        note = f"checked against the key that the file itself names, {key.vkey}: give the key that you trust"
        verdict = replace(verdict, notes=(*verdict.notes, note))
    return verdict


def _read(first: bytes, lines: Iterable[bytes], verifier: Verifier) -> None:
    """Hand every line behind the first, the header, to the verifier."""
    number, footer = 1, None
    digest = sha256(first + b"\n")
    header = digest.hexdigest()
    for number, line in enumerate(lines, start=2):
        text = _without_newline(line)
        if footer:
            verifier.unreadable("there is something behind the footer", line=number)
            return
        try:
            parsed = read_line(text)
        except InvalidInput as invalid:
            verifier.unreadable(invalid.detail, line=number)
            continue
        match parsed:
            case EntryLine(idx, canonical, claimed, proof):
                verifier.entry(idx, canonical, claimed, proof=proof, line=number)
            case SealLine(note):
                verifier.seal(note, line=number)
            case Header():
                verifier.unreadable("there is a second header", line=number)
            case Footer():
                footer = parsed
                verifier.footer(footer, header=header, digest=digest.hexdigest(), line=number)
        digest.update(text + b"\n")
    if footer is None:
        verifier.unreadable("the file ends before its footer: it was cut off", line=number + 1)


def _open(note: str, key: PublicKey | None) -> Seal:
    if key is None:
        raise InvalidInput("There is no key to check the kept seal with.")
    return open_seal(note, key)


def _without_newline(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\n") else line
