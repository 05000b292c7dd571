"""Places in files, and the problems at them."""

from __future__ import annotations

from ftl.config.yaml.locations import Location, Locations, SourceFile

FILE = SourceFile("ftl.yaml", "one\r\ntwo\rthree\n")
SECRETS = SourceFile(".env", "TOKEN=hunter2\n", confidential=True)


def test_a_problem_quotes_its_line() -> None:
    """Whatever the line ends are; a file as a whole and a confidential file are not quoted."""
    assert [Location(FILE, line, 1).problem("x").source for line in (0, 1, 2, 3, 4, 9)] == [
        "",
        "one",
        "two",
        "three",
        "",
        "",
    ]
    assert Location(SECRETS, 1, 1).problem("x").source == ""


def test_a_place_is_named_with_its_file_where_that_is_another() -> None:
    """Within a file the line is enough."""
    assert Location(FILE, 2).seen_from(Location(FILE, 1)) == "line 2"
    assert Location(SECRETS, 1).seen_from(Location(FILE, 1)) == ".env:1"


def test_a_variables_place_tells_its_use() -> None:
    """The hint of a problem at a variable ends with the place that uses its value."""
    location = Location(SECRETS, 1, 1, used_at=Location(FILE, 3, 2))
    assert location.problem("x").hint == "the value is used at ftl.yaml:3"
    assert location.problem("x", "write y").hint == "write y; the value is used at ftl.yaml:3"


def test_a_value_that_the_files_do_not_give_has_the_place_of_its_section() -> None:
    """The nearest section around it that has a place; without any, the file."""
    locations = Locations({(): Location(FILE, 1), ("services", 0): Location(FILE, 2)})
    assert locations.nearest("services", 0, "port").line == 2
    assert locations.nearest("proxy", "key").line == 1
    problem = Locations().problem("x", "proxy", "key")
    assert (problem.file, problem.line) == ("ftl.yaml", 0)
