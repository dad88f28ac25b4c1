import pytest

from remit.errors import RightsExceeded
from remit.identity import ROLES, Principal, PrincipalDocument, Right, require, rights_of
from remit.ids import PrincipalId
from remit.resources import read_resources, validate


def a_principal(*roles, active=True):
    return Principal(PrincipalId("anna"), "Anna", frozenset(roles), active=active)


@pytest.mark.parametrize(
    ("role", "right"),
    [
        ("operator", Right.SUBMIT),
        ("operator", Right.APPLY),
        ("operator", Right.HALT),
        ("approver", Right.APPROVE),
        ("auditor", Right.READ_LEDGER),
    ],
)
def test_a_role_gives_its_rights(role, right):
    require(a_principal(role), right)


def test_an_owner_holds_every_right():
    assert rights_of(a_principal("owner")) == frozenset(Right)


def test_rights_of_several_roles_add_up():
    assert rights_of(a_principal("approver", "auditor")) == {Right.APPROVE, Right.READ_LEDGER}


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_who_is_no_approver_may_not_answer_and_is_told_how_to_get_the_right(role):
    with pytest.raises(RightsExceeded) as refused:
        require(a_principal(role), Right.APPROVE)

    assert f"Principal 'anna' ({role}) may not answer approvals." in str(refused.value)
    assert "role approver or owner" in refused.value.advice
    assert "kind: Principal" in refused.value.advice


def test_someone_who_has_left_has_no_right_whatever_the_roles():
    with pytest.raises(RightsExceeded, match="is not active"):
        require(a_principal(*ROLES, active=False), Right.SUBMIT)


def test_an_unknown_role_in_a_store_gives_nothing():
    assert rights_of(a_principal("emperor")) == frozenset()


def _read(fields):
    (raw,), problems = read_resources("apiVersion: remit/v1\nkind: Principal\nname: anna\n" + fields, "p.yaml")
    assert problems == []
    return validate(raw, PrincipalDocument)


def test_a_principal_is_read_from_its_file():
    document, problems = _read("full_name: Anna Beck\nroles: [approver]\nos_user: abeck\ntools: ['erp__*']\n")

    assert problems == []
    assert document.principal() == Principal(
        PrincipalId("anna"), "Anna Beck", frozenset({"approver"}), ("erp__*",), active=True, os_user="abeck"
    )
    assert document.principal().actor == "principal:anna"


def test_a_role_that_does_not_exist_is_refused_at_its_line():
    _, (problem,) = _read("roles: [aprover]\n")

    assert problem.line == 4
    assert "'aprover' is no role; roles are auditor, approver, operator, owner" in problem.message


def test_an_unknown_field_of_a_principal_is_refused_at_its_line():
    _, (problem,) = _read("roles: []\nos_usr: x\n")

    assert (problem.line, problem.where) == (5, "os_usr")
    assert "os_user" in problem.message
