"""Homes whose record stands on PostgreSQL: chosen once, and never mistaken for another's."""

import asyncio
import shutil
from dataclasses import replace

import psycopg
import pytest
from tests.adapters.database_servers import a_database

from remit import stores
from remit.bootstrap import create_home, current_principal, is_home, open_home
from remit.config import read_settings
from remit.errors import InvalidInput, InvalidSetting, KeyMissing, StoreCorrupted, StoreUnreachable


@pytest.fixture
def database():
    with a_database() as address:
        yield address


@pytest.fixture
def settings(tmp_path, database):
    """A new home on the database."""
    made = read_settings({"REMIT_STORE": database}, home=tmp_path / "home")
    asyncio.run(create_home(made))
    return made


def unopened(settings, error, **fields):
    async def attempt():
        plane = await open_home(settings, **fields)
        await plane.close()

    with pytest.raises(error) as refused:
        asyncio.run(attempt())
    return refused.value


async def owner_of(settings):
    plane = await open_home(settings)
    try:
        return current_principal(plane).id
    finally:
        await plane.close()


def test_a_home_remembers_its_database_and_its_folder_holds_no_record(settings, database):
    later = read_settings({}, home=settings.home)

    assert asyncio.run(owner_of(later)) == asyncio.run(owner_of(settings))
    assert is_home(later)
    assert stores.shown(later) == database
    assert not list(settings.home.glob("*.sqlite*"))


def test_a_password_is_used_and_not_kept(tmp_path, database):
    with_password = database.replace("postgres@", "postgres:s3cret@")

    asyncio.run(create_home(read_settings({"REMIT_STORE": with_password}, home=tmp_path / "home")))

    assert (tmp_path / "home" / stores.CHOICE_FILE).read_text("utf-8").strip() == database
    assert "s3cret" not in repr(read_settings({"REMIT_STORE": with_password}))


def test_to_make_a_home_again_changes_nothing(settings):
    before = (settings.home / "ledger.vkey").read_bytes()

    asyncio.run(create_home(settings))

    assert (settings.home / "ledger.vkey").read_bytes() == before


def test_a_database_belongs_to_one_home(settings, tmp_path):
    other = replace(settings, home=tmp_path / "other")

    with pytest.raises(KeyMissing):
        asyncio.run(create_home(other))

    assert not (other.home / "keys" / "home.key").exists()
    assert asyncio.run(owner_of(settings))


def test_another_homes_keys_do_not_open_it(settings, tmp_path):
    with a_database() as second:
        other = read_settings({"REMIT_STORE": second}, home=tmp_path / "other")
        asyncio.run(create_home(other))

        assert "another home's keys" in str(unopened(replace(other, store=settings.store), KeyMissing))


def test_lost_keys_are_not_made_anew(settings):
    shutil.rmtree(settings.home / "keys")

    for attempt in (create_home(settings), open_home(settings)):
        with pytest.raises(KeyMissing):
            asyncio.run(attempt)


def test_a_second_folder_with_the_same_keys_is_the_same_home(settings, tmp_path):
    elsewhere = replace(settings, home=tmp_path / "elsewhere")
    shutil.copytree(settings.home / "keys", elsewhere.home / "keys")

    assert asyncio.run(owner_of(elsewhere)) == asyncio.run(owner_of(settings))


def test_a_record_that_is_gone_is_not_begun_anew(settings, database):
    with psycopg.connect(database) as admin:
        admin.execute("DROP SCHEMA remit CASCADE")

    assert "ledger.vkey" in str(unopened(settings, StoreCorrupted))


def test_a_record_is_begun_by_init_alone(settings, tmp_path):
    with a_database() as empty:
        keys_only = replace(settings, home=tmp_path / "keys-only", store=empty)
        shutil.copytree(settings.home / "keys", keys_only.home / "keys")

        assert "remit init" in unopened(keys_only, InvalidInput).advice


def test_a_record_in_the_home_is_not_left_for_a_database_by_a_setting(tmp_path, database):
    home = tmp_path / "home"
    asyncio.run(create_home(read_settings({}, home=home)))

    refused = unopened(read_settings({"REMIT_STORE": database}, home=home), InvalidSetting)

    assert "remit store copy" in refused.advice


def test_a_database_that_is_away_is_told_without_its_password(settings):
    away = replace(settings, store="postgresql://remit:s3cret@127.0.0.1:1/remit")

    refused = unopened(away, StoreUnreachable)

    assert "s3cret" not in f"{refused} {refused.to_json()}"


@pytest.mark.parametrize("store", ["mysql://root:s3cret@db/remit", "remit.sqlite"])
def test_a_setting_that_names_no_postgresql_is_refused(store):
    with pytest.raises(InvalidSetting, match="REMIT_STORE") as refused:
        read_settings({"REMIT_STORE": store})

    assert "s3cret" not in str(refused.value)
