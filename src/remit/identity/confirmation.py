"""The key with which an agent signs its requests: Ed25519, or ECDSA on P-256. The token that confirms it names it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from remit.errors import InvalidInput
from remit.identity import jose

#: Type and curve of a JWK to the name of its algorithm in RFC 9421, section 3.3.
ALGORITHMS: Mapping[tuple[str, str], str] = {
    ("OKP", "Ed25519"): "ed25519",
    ("EC", "P-256"): "ecdsa-p256-sha256",
}
_MEMBERS = {"OKP": ("kty", "crv", "x"), "EC": ("kty", "crv", "x", "y")}
#: Bytes of each of the two numbers of a signature on P-256.
_NUMBER_BYTES = 32


@dataclass(frozen=True, slots=True)
class ConfirmationKey:
    """A public key that checks an agent's signatures."""

    #: The members that RFC 7638 hashes, and no other.
    jwk: Mapping[str, str]
    #: `jkt`: the base64url of the SHA-256 thumbprint (RFC 7638).
    thumbprint: str
    algorithm: str
    _public: Ed25519PublicKey | EllipticCurvePublicKey = field(repr=False, compare=False)

    @classmethod
    def of(cls, jwk: Mapping[str, object]) -> "ConfirmationKey":
        """The key that a JWK (RFC 7517) describes.

        Raises:
            InvalidInput: it is not a public key of one of the two kinds; a private key is refused, so that nobody
                gets used to handing one out.
        """
        kind = (str(jwk.get("kty")), str(jwk.get("crv")))
        if kind not in ALGORITHMS:
            raise InvalidInput("The key is neither Ed25519 (kty OKP) nor P-256 (kty EC), as a JWK.")
        if "d" in jwk:
            raise InvalidInput("The key is a private one: keep it, and send its public half.")
        members = {name: str(jwk.get(name, "")) for name in _MEMBERS[kind[0]]}
        try:
            key = (jose.OKPKey if kind[0] == "OKP" else jose.ECKey).import_key(dict(members))
        except (jose.JoseError, ValueError) as error:
            raise InvalidInput("The key is no point of its curve, as a JWK.") from error
        public = key.public_key
        assert isinstance(public, Ed25519PublicKey | EllipticCurvePublicKey), "its kind was looked at above"
        return cls(members, key.thumbprint(), ALGORITHMS[kind], public)

    def verifies(self, signature: bytes, text: bytes) -> bool:
        """True where the private half of this key made `signature` of `text`."""
        try:
            if isinstance(self._public, Ed25519PublicKey):
                self._public.verify(signature, text)
            else:
                self._public.verify(_as_der(signature), text, ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class RequestSigner:
    """The private half, as a client holds it."""

    public: ConfirmationKey
    sign: Callable[[bytes], bytes] = field(repr=False)

    @classmethod
    def generate(cls) -> "RequestSigner":
        """A fresh Ed25519 key, for a process that keeps it to itself."""
        return cls.of(Ed25519PrivateKey.generate())

    @classmethod
    def of(cls, private: Ed25519PrivateKey | EllipticCurvePrivateKey) -> "RequestSigner":
        """Sign with this key.

        Raises:
            InvalidInput: it is on another curve than P-256.
        """
        if isinstance(private, Ed25519PrivateKey):
            public = ConfirmationKey.of(jose.OKPKey.import_key(private.public_key()).as_dict(private=False))
            return cls(public, private.sign)
        if not isinstance(private.curve, SECP256R1):
            raise InvalidInput("The key is neither Ed25519 nor on P-256.")
        public = ConfirmationKey.of(jose.ECKey.import_key(private.public_key()).as_dict(private=False))
        return cls(public, lambda text: _from_der(private.sign(text, ECDSA(SHA256()))))


def _as_der(signature: bytes) -> bytes:
    """Two numbers side by side (RFC 9421, section 3.3.4) as the library takes them."""
    if len(signature) != 2 * _NUMBER_BYTES:
        raise InvalidSignature
    first, second = signature[:_NUMBER_BYTES], signature[_NUMBER_BYTES:]
    return encode_dss_signature(int.from_bytes(first, "big"), int.from_bytes(second, "big"))


def _from_der(der: bytes) -> bytes:
    first, second = decode_dss_signature(der)
    return first.to_bytes(_NUMBER_BYTES, "big") + second.to_bytes(_NUMBER_BYTES, "big")
