"""Who acts, with which rights, and on whose behalf.

A `Principal` holds rights by its roles; `require` refuses what they do not cover. A `Delegation` is the chain from the
person over the mission to the agent that calls: what may be used is the intersection of what each link was given.

Agents outside of Remit's process show who they are by a token (`AgentIdentity`) and, where it confirms a key, by
signing each request (`sign`). `Authenticator` takes both.
"""

from remit.identity.authenticate import Authenticator
from remit.identity.confirmation import ConfirmationKey, RequestSigner
from remit.identity.delegation import Delegation, Link, LinkKind
from remit.identity.grants import ToolPattern, covers
from remit.identity.hops import Hop, HopKey, read_hops
from remit.identity.issuing import IssuingKey, KeyStorage, TokenView
from remit.identity.narrowing import Granted, Wish, narrow, within_grant
from remit.identity.principal import Principal, PrincipalDocument
from remit.identity.replay import NonceMemory, Nonces, SharedNonces
from remit.identity.revocation import Revocations
from remit.identity.rights import ROLES, Right, require, rights_of
from remit.identity.signature import Request, sign
from remit.identity.subject import Behalf, SubjectKey
from remit.identity.token import (
    SECONDS_DEFAULT,
    SECONDS_MAX,
    SECONDS_MIN,
    AgentIdentity,
    check_now,
    issue,
    verify,
)

__all__ = [
    "ROLES",
    "SECONDS_DEFAULT",
    "SECONDS_MAX",
    "SECONDS_MIN",
    "AgentIdentity",
    "Authenticator",
    "Behalf",
    "ConfirmationKey",
    "Delegation",
    "Granted",
    "Hop",
    "HopKey",
    "IssuingKey",
    "KeyStorage",
    "Link",
    "LinkKind",
    "NonceMemory",
    "Nonces",
    "Principal",
    "PrincipalDocument",
    "Request",
    "RequestSigner",
    "Revocations",
    "Right",
    "SharedNonces",
    "SubjectKey",
    "TokenView",
    "ToolPattern",
    "Wish",
    "check_now",
    "covers",
    "issue",
    "narrow",
    "read_hops",
    "require",
    "rights_of",
    "sign",
    "verify",
    "within_grant",
]
