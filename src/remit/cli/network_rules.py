"""Rules that leave an agent only the door: for a cluster, for a user of this machine, for containers."""

from enum import StrEnum
from ipaddress import ip_address

from remit.errors import InvalidInput


class Form(StrEnum):
    """Where rules are held."""

    KUBERNETES = "kubernetes"
    NFTABLES = "nftables"
    DOCKER = "docker"


def rules_for(door: str, form: Form | None = None) -> dict[str, str]:
    """The rules for a door at HOST:PORT, by form; of one form where it is given.

    Raises:
        InvalidInput: that is no place of a door; rules speak of addresses, not of names.
    """
    host, _, port = door.rpartition(":")
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        address = None
    if address is None or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise InvalidInput(f"{door!r} is no ADDRESS:PORT.", hint="Write where the door is: 127.0.0.1:8321.")
    family = "ip" if address.version == 4 else "ip6"
    texts = {
        Form.KUBERNETES: _KUBERNETES.format(port=port),
        Form.NFTABLES: _NFTABLES.format(family=family, host=address, port=port),
        Form.DOCKER: _DOCKER.format(port=port),
    }
    return {name.value: text for name, text in texts.items() if form in {None, name}}


_KUBERNETES = """\
# Kubernetes: kubectl apply -n NAMESPACE -f FILE, where a network plugin holds policies. Pods with the label
# remit-agent: "true" reach pods with the label app: remit, and nothing else. No name is looked up either: give them the
# door's address, which the cluster sets as REMIT_SERVICE_HOST where its service is called `remit`.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: remit-agents-reach-only-the-door
spec:
  podSelector:
    matchLabels:
      remit-agent: "true"
  policyTypes: [Ingress, Egress]
  ingress: []
  egress:
    - to:
        - namespaceSelector: {{}}
          podSelector:
            matchLabels:
              app: remit
      ports:
        - protocol: TCP
          port: {port}
"""
_NFTABLES = """\
# nftables: nft -f FILE, as root. What the user `remit-agent` runs reaches the door, and nothing else. Run agents as
# that user with a token of `remit token`; `remit connect` listens at a port of its own choice, which this leaves shut.
table inet remit_agents {{
    chain output {{
        type filter hook output priority 0; policy accept;
        meta skuid != "remit-agent" accept
        {family} daddr {host} tcp dport {port} accept
        reject
    }}
}}
"""
_DOCKER = """\
# Docker: a network without a way out, on which the door is the only other. The container `remit` serves with
# `--host 0.0.0.0 --port {port} --allow-remote`, and is on an outer network as well. Requests from another container are
# taken with a token and signed, as from another machine.
docker network create --internal remit-agents
docker network connect --alias door remit-agents remit
docker run --rm --network remit-agents --cap-drop ALL --security-opt no-new-privileges \\
    --env REMIT_MCP_URL=http://door:{port}/mcp --env OPENAI_BASE_URL=http://door:{port}/v1 AGENT_IMAGE
"""
