"""Who acts, with which rights, and on whose behalf.

A `Principal` holds rights by its roles; `require` refuses what they do not cover. A `Delegation` is the chain from the
person over the mission to the agent that calls: what may be used is the intersection of what each link was given.
"""

from remit.identity.delegation import Delegation, Link, LinkKind
from remit.identity.grants import ToolPattern, covers
from remit.identity.principal import Principal, PrincipalDocument
from remit.identity.rights import ROLES, Right, require, rights_of

__all__ = [
    "ROLES",
    "Delegation",
    "Link",
    "LinkKind",
    "Principal",
    "PrincipalDocument",
    "Right",
    "ToolPattern",
    "covers",
    "require",
    "rights_of",
]
