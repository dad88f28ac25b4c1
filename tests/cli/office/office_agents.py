"""A team of one: it plans three payments, one of them over the limit, and a question."""


async def run(context, given):
    if context.skill == "office.plan":
        for place, line in enumerate(given["lines"], 1):
            context.propose(
                f"pay-{place}",
                tool="office__pay",
                given={"vendor": line["vendor"], "amount": line["amount"], "currency": given["currency"]},
            )
        if given.get("ask"):
            context.propose(
                "ask",
                given={
                    "title": "Is the order closed?",
                    "evidence": [{"document": "order.txt", "page": 1, "text": given["ask"]}],
                },
                ask_rules=["order_unclear"],
            )
        return {"planned": len(given["lines"])}
    raise ValueError(context.skill)


def report(shown):
    """The report in the form of the payables pack, so that its screen can be seen without it."""
    documents = []
    for step in shown["steps"]:
        if step["id"].startswith("pay"):
            status = {"succeeded": "paid", "waiting": "waiting", "refused": "refused"}.get(step["status"], "waiting")
            documents.append(
                {
                    "file": f"{step['id']}.pdf",
                    "type": "invoice",
                    "status": status,
                    "rules": step["rules"],
                    "reasons": [],
                    "total": step["given"]["amount"],
                    "currency": "USD",
                }
            )
    waiting = [{"approval": asked["id"], "file": asked["step"]} for asked in shown["approvals"]]
    paid = [d for d in documents if d["status"] == "paid"]
    total = sum(float(d["total"]) for d in paid)
    return {
        "title": "Office",
        "reader": shown["reader"],
        "documents": documents,
        "paid": [{"currency": "USD", "amount": f"{total:.2f}", "count": len(paid)}] if paid else [],
        "refusals": [{"file": d["file"], "rule": d["rules"][-1]} for d in documents if d["status"] == "refused"],
        "waiting": waiting,
        "tokens": {"input": 0, "output": 0},
        "cost_usd": "0.00",
        "record": {"mission": shown["id"]},
    }
