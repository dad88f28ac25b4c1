import os

import pytest
from tests.registry.builders import agent_text

from remit.errors import InvalidInput
from remit.registry import read_files, read_prompts


def test_a_folder_stands_for_its_yaml_files_by_name(tmp_path):
    for name in ("b.yaml", "a.yml", "c.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "d.yaml").write_text("d")

    assert read_files([tmp_path]) == [(str(tmp_path / "a.yml"), "a.yml"), (str(tmp_path / "b.yaml"), "b.yaml")]


def test_a_file_that_is_named_twice_is_read_once(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("x")

    assert read_files([file, tmp_path, str(file)]) == [(str(file), "x")]


def test_a_path_that_leads_nowhere_is_named():
    with pytest.raises(InvalidInput, match="There is no file or folder nowhere/agents"):
        read_files(["nowhere/agents"])


def test_a_folder_without_resource_files_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"holds no \*\.yaml or \*\.yml file"):
        read_files([tmp_path])


def test_no_path_at_all_is_refused():
    with pytest.raises(InvalidInput, match="No file or folder was named"):
        read_files([])


def test_a_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(InvalidInput, match=r"a\.yaml is not UTF-8 text"):
        read_files([tmp_path])


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(2 << 30)

    with pytest.raises(InvalidInput, match="has more than"):
        read_files([tmp_path])


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")

    with pytest.raises(InvalidInput, match="neither a file nor a folder"):
        read_files([tmp_path / "a.yaml"])


def test_prompt_files_are_read_from_beside_the_resource_file(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "read.md").write_text("Read it.")
    file = str(tmp_path / "a.yaml")

    prompts = read_prompts([(file, agent_text(prompts="{read: {file: prompts/read.md}, gone: {file: gone.md}}"))])

    assert prompts == {str(tmp_path / "prompts" / "read.md"): "Read it."}


def test_a_prompt_file_outside_of_the_folder_is_not_read_not_even_over_a_link(tmp_path):
    (tmp_path / "secret").write_text("s")
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "link.md").symlink_to(tmp_path / "secret")
    file = str(tmp_path / "agents" / "a.yaml")

    assert read_prompts([(file, agent_text(prompts="{a: {file: link.md}, b: {file: ../secret}}"))]) == {}
