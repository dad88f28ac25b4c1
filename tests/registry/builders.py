"""Small documents for the tests of this folder."""

import textwrap

from remit.registry import KINDS, StoredResource, plan_apply

HEAD = "apiVersion: remit/v1\n"


def agent_text(name="Invoice", version="1.0.0", skill="payables.read", **fields):
    extra = "".join(f"{key}: {value}\n" for key, value in fields.items())
    return (
        f"{HEAD}kind: Agent\nname: {name}\nversion: {version}\n"
        f"skills:\n  - name: {skill}\n    description: does it\n"
        f"run:\n  python: acme.agents:run\n{extra}"
    )


def workflow_text(name="payables", start="payables.read", **fields):
    extra = "".join(f"{key}: {value}\n" for key, value in fields.items())
    return f"{HEAD}kind: Workflow\nname: {name}\nstart: {start}\nbudget:\n  amount: '5.00'\n  currency: USD\n{extra}"


def source_text(body, name="erp"):
    return f"{HEAD}kind: ToolSource\nname: {name}\n{textwrap.dedent(body)}"


def principal_text(name="anna", **fields):
    extra = "".join(f"{key}: {value}\n" for key, value in fields.items())
    return f"{HEAD}kind: Principal\nname: {name}\nroles: [operator]\n{extra}"


def planned(*texts, stored=None, prompts=None, kinds=KINDS):
    """The plan for texts that stand in `0.yaml`, `1.yaml` and so on."""
    files = [(f"{place}.yaml", text) for place, text in enumerate(texts)]
    return plan_apply(files, stored or {}, kinds, prompts=prompts)


def applied(*texts, stored=None, prompts=None):
    """What the store holds after the texts were applied."""
    plan = planned(*texts, stored=stored, prompts=prompts)
    plan.require_valid()
    read_back = {record.key: StoredResource.from_json(record.value) for record in plan.records_at(1_000_000)}
    return {**(stored or {}), **read_back}


def lines(plan):
    return [(problem.file, problem.line) for problem in plan.errors]
