import getpass

from remit.identity import RequestSigner

PEOPLE = """\
apiVersion: remit/v1
kind: Agent
name: clerk
version: 1.0.0
skills: [{name: pay, description: pays}]
run: {python: "m:f"}
tools: ["bank__*"]
"""


def applied():
    return ("POST", "/api/v1/apply", {"files": [{"name": "a.yaml", "text": PEOPLE}]})


def test_a_token_is_issued_listed_revoked_and_its_key_rotated(ask):
    jwk = dict(RequestSigner.generate().public.jwk)
    _, issued, listed, revoked, gone, told, key = ask(
        applied(),
        ("POST", "/api/v1/tokens", {"agent": "clerk", "seconds": 300, "jwk": jwk}),
        ("GET", "/api/v1/tokens", None),
        ("DELETE", "/api/v1/tokens?scope=agent/clerk&reason=lost", None),
        ("GET", "/api/v1/tokens", None),
        ("GET", "/api/v1/tokens/revoked", None),
        ("POST", "/api/v1/tokens/rotate", {}),
    )

    assert (issued.status_code, issued.json()["signed"]) == (201, True)
    assert issued.json()["chain"] == [f"principal:{getpass.getuser()}", "agent:clerk@1.0.0"]
    assert [one["id"] for one in listed.json()] == [issued.json()["id"]]
    assert issued.json()["token"] not in listed.text
    assert (revoked.status_code, gone.json()) == (200, [])
    assert told.json()[0]["reason"] == "lost"
    assert (key.status_code, key.json()["epoch"]) == (201, 2)


def test_what_is_asked_wrongly_is_a_problem_and_a_private_key_is_not_repeated(ask):
    answers = ask(
        applied(),
        (
            "POST",
            "/api/v1/tokens",
            {"agent": "clerk", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "a", "d": "hunter2"}},
        ),
        ("POST", "/api/v1/tokens", {"agent": "clerk", "jwk": {}}),
        ("POST", "/api/v1/tokens", {"agent": "clerk", "seconds": 901}),
        ("POST", "/api/v1/tokens", {"agent": "clerk", "tools": ["*"]}),
        ("POST", "/api/v1/tokens", {"agent": "clerk", "budget_usd_micros": -1}),
        ("POST", "/api/v1/tokens", {"agent": "clerk", "tools": ["bank__[x]"]}),
        ("DELETE", "/api/v1/tokens?scope=all", None),
        ("DELETE", "/api/v1/tokens?scope=token/nope", None),
    )

    assert [answer.status_code for answer in answers[1:]] == [422, 422, 422, 403, 422, 422, 422, 404]
    assert "hunter2" not in "".join(answer.text for answer in answers)
