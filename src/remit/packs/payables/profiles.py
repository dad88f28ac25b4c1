"""Which invoice profiles there are, and whether an invoice's XML keeps its schema."""

import logging
import re

from remit.packs.payables.cii import Element

#: The library tells of each step it takes; what is wrong with a document belongs into its reading.
logging.getLogger("factur-x").setLevel(logging.CRITICAL)

_KNOWN = re.compile(
    r"urn:ferd:CrossIndustryDocument:invoice:1p0:(basic|comfort|extended)"
    r"|urn:ferd:invoice:rc:(basic|comfort|extended)"
    r"|urn:(factur-x\.eu:1p0|zugferd\.de:2p0):(minimum|basicwl)"
    r"|urn:cen\.eu:en16931:2017"
    r"|urn:cen\.eu:en16931:2017#compliant#urn:(factur-x\.eu:1p0|zugferd\.de:2p0):basic"
    r"|urn:cen\.eu:en16931:2017#conformant#urn:(factur-x\.eu:1p0|zugferd\.de:2p0):extended"
    r"|urn:cen\.eu:en16931:2017#(compliant|conformant)#urn:(xoev-de:kosit:standard|xeinkauf\.de:kosit):[a-z]+_\d\.\d"
    r"(#conformant#urn:[a-z.-]+:kosit:extension:xrechnung_\d\.\d)?",
    re.IGNORECASE,
)
#: XRechnung has no schema of its own: it is EN 16931 with business rules.
_SHOWN_CHARACTERS = 300


def is_known_profile(profile: str | None) -> bool:
    """True for a profile of an invoice in ZUGFeRD 1.0, Factur-X, ZUGFeRD 2.x or XRechnung."""
    return profile is not None and _KNOWN.fullmatch(profile) is not None


def schema_fault(root: Element) -> str | None:
    """The first thing in which the XML breaks its schema; None where it keeps it."""
    # Imported here: loading the schemas takes most of a second, and most documents of a folder share them.
    from facturx import get_flavor, get_level, xml_check_xsd  # noqa: PLC0415 -- slow to import

    try:
        flavor = get_flavor(root)
        level = get_level(root, flavor)
    except Exception:  # noqa: BLE001 -- the library says "unknown" by whatever it raises: the widest schema is tried
        flavor, level = ("zugferd" if "CrossIndustryDocument" in root.tag else "factur-x"), "extended"
    try:
        xml_check_xsd(root, flavor, level)
    except Exception as error:  # noqa: BLE001 -- the library raises a bare Exception with the schema's words
        # The library puts sentences of its own before what the schema says, which comes after this colon.
        told = " ".join(str(error).split()).rpartition("the cause of the problem: ")[2]
        return told[:_SHOWN_CHARACTERS] or type(error).__name__
    return None
