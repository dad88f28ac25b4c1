"""What a visitor may look at."""


def look(name: str) -> dict[str, str]:
    """Who a vendor is."""
    return {"id": "V-1", "name": name}


TOOLS = {"look": look}
