POLICY = """\
apiVersion: remit/v1
kind: Policy
name: p
agents: ["*"]
tools: ["a__b"]
"""


def described(ask):
    return ask(("GET", "/api/v1/openapi.json", None)).json()


def test_every_route_says_in_a_sentence_what_it_does(ask):
    for path, methods in described(ask)["paths"].items():
        for method, route in methods.items():
            assert route.get("description", "").rstrip(".`"), f"{method} {path}"


def test_the_routes_are_those_that_are_promised(ask):
    found = {(method.upper(), path) for path, methods in described(ask)["paths"].items() for method in methods}

    v1 = "/api/v1"
    assert found == {
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", f"{v1}/version"),
        ("GET", f"{v1}/doctor"),
        ("GET", f"{v1}/doctor/egress"),
        ("POST", f"{v1}/apply"),
        ("GET", f"{v1}/agents"),
        ("GET", f"{v1}/tools"),
        ("GET", f"{v1}/sources"),
        ("POST", f"{v1}/sources/propose"),
        ("GET", f"{v1}/workflows"),
        ("POST", f"{v1}/workflows/check"),
        ("POST", f"{v1}/workflows/graph"),
        ("GET", f"{v1}/workflows/{{name}}"),
        ("GET", f"{v1}/workflows/{{name}}/check"),
        ("GET", f"{v1}/workflows/{{name}}/graph"),
        ("POST", f"{v1}/events"),
        ("GET", f"{v1}/events"),
        ("GET", f"{v1}/triggers"),
        ("GET", f"{v1}/triggers/{{name}}"),
        ("GET", f"{v1}/triggers/{{name}}/events"),
        ("GET", f"{v1}/subscriptions"),
        ("GET", f"{v1}/policies"),
        ("POST", f"{v1}/policies/check"),
        ("POST", f"{v1}/policies/explain"),
        ("POST", f"{v1}/policies/test"),
        ("POST", f"{v1}/policies/simulate"),
        ("GET", f"{v1}/missions"),
        ("POST", f"{v1}/missions"),
        ("GET", f"{v1}/missions/{{mission}}"),
        ("GET", f"{v1}/missions/{{mission}}/events"),
        ("GET", f"{v1}/missions/{{mission}}/report"),
        ("GET", f"{v1}/missions/{{mission}}/state"),
        ("POST", f"{v1}/missions/{{mission}}/state/{{step}}/rewind"),
        ("POST", f"{v1}/missions/{{mission}}/drive"),
        ("POST", f"{v1}/missions/{{mission}}/cancel"),
        ("POST", f"{v1}/missions/{{mission}}/pause"),
        ("POST", f"{v1}/missions/{{mission}}/resume"),
        ("POST", f"{v1}/missions/{{mission}}/plan"),
        ("POST", f"{v1}/missions/{{mission}}/steps/{{step}}/skip"),
        ("POST", f"{v1}/missions/{{mission}}/steps/{{step}}/retry"),
        ("POST", f"{v1}/missions/{{mission}}/steps/{{step}}/rerun"),
        ("GET", f"{v1}/memory"),
        ("DELETE", f"{v1}/memory"),
        ("GET", f"{v1}/memory/notes"),
        ("POST", f"{v1}/memory/holds"),
        ("DELETE", f"{v1}/memory/holds"),
        ("GET", f"{v1}/approvals"),
        ("GET", f"{v1}/approvals/{{approval}}"),
        ("POST", f"{v1}/approvals/{{approval}}/answer"),
        ("GET", f"{v1}/halts"),
        ("POST", f"{v1}/halts"),
        ("DELETE", f"{v1}/halts"),
        ("GET", f"{v1}/tokens"),
        ("POST", f"{v1}/tokens"),
        ("DELETE", f"{v1}/tokens"),
        ("GET", f"{v1}/tokens/revoked"),
        ("POST", f"{v1}/tokens/rotate"),
        ("POST", f"{v1}/sessions"),
        ("POST", f"{v1}/sessions/{{mission}}/close"),
        ("GET", f"{v1}/sidecars"),
        ("POST", f"{v1}/sidecars"),
        ("DELETE", f"{v1}/sidecars/{{ident}}"),
        ("GET", f"{v1}/sidecars/{{ident}}/record"),
        ("GET", f"{v1}/sidecars/{{ident}}/export"),
        ("GET", f"{v1}/sidecars/{{ident}}/verify"),
        ("GET", f"{v1}/ledger"),
        ("GET", f"{v1}/ledger/export"),
        ("GET", f"{v1}/ledger/verify"),
        ("GET", f"{v1}/cost"),
        ("GET", f"{v1}/why"),
    }


def test_a_dry_run_shows_the_change_and_applies_nothing(ask):
    body = {"files": [{"name": "p.yaml", "text": POLICY}]}
    shown, before, applied, after = ask(
        ("POST", "/api/v1/apply", {**body, "dry_run": True}),
        ("GET", "/api/v1/policies", None),
        ("POST", "/api/v1/apply", body),
        ("GET", "/api/v1/policies", None),
    )

    assert (shown.json()["applied"], applied.json()["applied"]) == (False, True)
    assert shown.json()["changes"] == applied.json()["changes"]
    assert before.json() == []
    assert [policy["name"] for policy in after.json()] == ["p"]


def test_a_halt_is_set_listed_and_lifted_once(ask):
    answers = ask(
        ("POST", "/api/v1/halts", {"scope": "agent/clerk", "reason": "look"}),
        ("GET", "/api/v1/halts", None),
        ("DELETE", "/api/v1/halts?scope=agent/clerk", None),
        ("DELETE", "/api/v1/halts?scope=agent/clerk", None),
    )

    assert [answer.status_code for answer in answers] == [201, 200, 200, 404]
    assert answers[1].json()[0]["reason"] == "look"


def test_an_export_is_lines_and_metrics_are_text(ask):
    export, metrics = ask(("GET", "/api/v1/ledger/export", None), ("GET", "/metrics", None))

    assert export.headers["content-type"] == "application/jsonl"
    assert export.text.startswith('{"format":"remit-ledger/1"')
    assert 'remit_missions{status="waiting"} 0' in metrics.text
    assert metrics.text.count("# TYPE") == 9
