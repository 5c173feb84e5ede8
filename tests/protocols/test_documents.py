from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from protocols.documents import Celsius, DocumentError, Fault, FileModel, Seconds, line_of, load_model, load_yaml
from tests.protocols.conftest import Write


class Oven(FileModel):
    limit: Celsius
    hold: Annotated[Seconds, Field(gt=0)] = 60.0
    slots: int = 1


class Shop(FileModel):
    name: str
    ovens: dict[str, Oven]
    from_: str = Field(default="here", alias="from")
    tags: list[str] = Field(default_factory=list)


def faults_of(path: Path) -> list[tuple[int | None, str]]:
    with pytest.raises(DocumentError) as caught:
        load_model(path, Shop)
    assert all(fault.file == str(path) for fault in caught.value.faults)
    return [(fault.line, fault.message) for fault in caught.value.faults]


def test_a_file_is_read_into_its_model(write: Write) -> None:
    shop = load_model(write("name: a\nfrom: there\novens: {one: {limit: 1373.15 K, hold: 2 min}}\n"), Shop)
    assert shop == Shop.model_validate(
        {"name": "a", "from": "there", "ovens": {"one": {"limit": "1100 degC", "hold": "120 s"}}}
    )
    assert shop.ovens["one"].limit == 1100.0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("1e-3", 0.001),
        ("12:30:45", "12:30:45"),
        ("true", True),
        ("0o17", 15),
        ("017", 17),
    ],
)
def test_scalars_mean_what_yaml_1_2_says(write: Write, text: str, value: object) -> None:
    read = load_yaml(write(f"key: {text}\n"))["key"]
    assert read == value
    assert isinstance(read, str) == isinstance(value, str)


def test_on_is_a_key_like_any_other(write: Write) -> None:
    assert list(load_yaml(write("on: 1\noff: 2\n"))) == ["on", "off"]


def test_an_unknown_key_names_the_nearest_known_one_and_its_line(write: Write) -> None:
    path = write("name: a\novens:\n  one:\n    limt: 1100 degC\n    limit: 1100 degC\n")
    assert faults_of(path) == [(4, "ovens.one: unknown key 'limt': did you mean 'limit'?")]


def test_an_unknown_key_like_no_other_lists_what_there_is(write: Write) -> None:
    assert faults_of(write("name: a\novens: {}\ncolour: red\n")) == [
        (3, "unknown key 'colour': allowed are name, ovens, from, tags")
    ]


def test_a_field_is_known_by_the_name_that_it_has_in_the_file(write: Write) -> None:
    assert faults_of(write("name: a\novens: {}\nfrom_: there\n")) == [(3, "unknown key 'from_': did you mean 'from'?")]


def test_every_fault_is_told_at_once_with_its_line(write: Write) -> None:
    path = write(
        "nam: a\nfrm: b\novens:\n  one: {limit: 1100, hold: 2 min}\n  two: {hold: 0 s, slot: 3}\n  three: 5\ntags: x\n"
    )
    faults = faults_of(path)
    assert {line: message for line, message in faults if line in {1, 2, 4, 6, 7}} == {
        1: "unknown key 'nam': did you mean 'name'?",
        2: "unknown key 'frm': did you mean 'from'?",
        4: "ovens.one.limit: 1100 is no quantity: write a number and a unit, such as '1 degC'",
        6: "ovens.three: expected keys and values, found 5",
        7: "tags: Input should be a valid list",
    }
    assert sorted(message for line, message in faults if line == 5) == [
        "ovens.two.hold: is '0 s', and must be greater than 0",
        "ovens.two.limit: is missing and has no default: add it",
        "ovens.two: unknown key 'slot': did you mean 'slots'?",
    ]
    assert (None, "name: is missing and has no default: add it") in faults
    assert len(faults) == 9


def test_the_error_is_one_line_per_fault_with_file_and_line(write: Write) -> None:
    path = write("name: a\novens: {one: {limit: hot}}\nwith: 3\n")
    with pytest.raises(DocumentError) as caught:
        load_model(path, Shop)
    assert str(caught.value).splitlines() == [
        f"{path}, line 3: unknown key 'with': allowed are name, ovens, from, tags",
        f"{path}, line 2: ovens.one.limit: 'hot' is no quantity: write a number and a unit, such as '1 degC'",
    ]


def test_a_fault_of_the_whole_file_names_no_line() -> None:
    assert str(Fault("lab.yaml", None, "is empty")) == "lab.yaml: is empty"


@pytest.mark.parametrize(("text", "seen"), [("- a\n- b\n", "a list"), ("just words\n", "'just words'"), ("5\n", "5")])
def test_a_file_that_is_no_mapping_says_what_it_is(write: Write, text: str, seen: str) -> None:
    assert faults_of(write(text)) == [(None, f"expected keys and values, found {seen}")]


def test_a_key_without_a_value_is_told_as_nothing(write: Write) -> None:
    assert faults_of(write("name: a\novens:\n  one:\n")) == [(3, "ovens.one: expected keys and values, found nothing")]


@pytest.mark.parametrize("keep", [30, 55, 75, 110, 150])
def test_a_file_cut_short_gives_one_sentence(write: Write, recipe_text: str, keep: int) -> None:
    path = write(recipe_text[:keep].rstrip("}] \n"))
    with pytest.raises(DocumentError) as caught:
        load_yaml(path)
    (fault,) = caught.value.faults
    assert "\n" not in str(fault)
    assert "is it cut short?" in fault.message
    assert fault.line is not None
    assert 1 <= fault.line <= 5


def test_a_key_given_twice_is_refused_with_its_line(write: Write) -> None:
    for value in ("b", "{c: [1,\n  2]}"):
        path = write(f"name: a\novens: {{}}\nname: {value}\n")
        with pytest.raises(DocumentError) as caught:
            load_yaml(path)
        assert caught.value.faults == [Fault(str(path), 3, "the key 'name' is given twice: keep one of them")]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n"])
def test_an_empty_file_says_where_to_find_an_example(write: Write, text: str) -> None:
    with pytest.raises(DocumentError, match="is empty: `athanor init` writes commented examples"):
        load_yaml(write(text))


def test_a_missing_file_and_a_folder_are_told_with_the_systems_reason(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"none\.yaml: cannot be read \(No such file or directory\)"):
        load_yaml(tmp_path / "none.yaml")
    with pytest.raises(DocumentError, match=r"cannot be read \(Is a directory\)"):
        load_yaml(tmp_path)


def test_a_binary_file_is_told_as_no_text(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(DocumentError, match="is not UTF-8 text"):
        load_yaml(path)
    path.write_bytes(b"name: \x07bell\n")
    with pytest.raises(DocumentError, match="is not valid YAML"):
        load_yaml(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_says_so(write: Write) -> None:
    path = write("name: a\n")
    path.chmod(0)
    with pytest.raises(DocumentError, match="Permission denied"):
        load_yaml(path)


def test_the_line_of_a_value_is_that_of_its_key_or_list_item(write: Write) -> None:
    data = load_yaml(write("a:\n  b:\n    - one\n    - two\nc: {d: 1}\n"))
    assert line_of(data, ("a", "b")) == 2
    assert line_of(data, ("a", "b", 1)) == 4
    assert line_of(data, ("c", "d")) == 5
    assert line_of(data, ("a", "missing")) == 1
    assert line_of(data, ()) is None


def test_a_model_is_frozen(write: Write) -> None:
    oven = load_model(write("limit: 5 degC\n"), Oven)
    with pytest.raises(ValueError, match="frozen"):
        oven.limit = 2000.0
