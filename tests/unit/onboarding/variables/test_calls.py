"""Variables that code reads by calls, subscripts and tags with their names."""

from __future__ import annotations

import pytest

from ftl.onboarding.variables.reading import variables_of


@pytest.mark.parametrize(
    ("file", "line", "demanded"),
    [
        ("a.py", 'os.environ["A_KEY"]', True),
        ("a.py", 'os.environ["A_KEY"] = "x"', False),
        ("a.py", 'os.environ.get("A_KEY")', False),
        ("a.py", 'env("A_KEY")', True),
        ("a.py", 'env.str("A_KEY", default="x")', False),
        ("a.py", 'config("A_KEY", cast=bool)', True),
        ("a.py", 'config("A_KEY", "x", cast=bool)', False),
        ("a.php", "env('A_KEY')", False),
        ("a.rb", 'ENV.fetch("A_KEY")', True),
        ("a.rb", 'ENV.fetch("A_KEY") { 1 }', False),
        ("a.go", 'Key string `env:"A_KEY,required"`', True),
        ("a.go", 'Key string `env:"A_KEY,notEmpty,file"`', True),
        ("a.go", 'Key string `env:"A_KEY,required" envDefault:"x"`', False),
        ("a.go", 'Key string `env:"A_KEY" envDefault:"x"`', False),
        ("a.go", 'Key string `envconfig:"A_KEY"`', False),
        ("a.js", "process.env.A_KEY", False),
    ],
)
def test_what_code_demands(file: str, line: str, demanded: bool) -> None:
    """Each form is found, and those that end the program without a value are told apart."""
    (variable,) = variables_of({file: line}).values()
    assert (variable.name, variable.file, bool(variable.demanded_by)) == ("A_KEY", file, demanded)


def test_the_first_file_that_demands_a_variable() -> None:
    """It may be another one than the first that reads it."""
    variable = variables_of({"a.py": 'os.getenv("A_KEY")', "b.py": 'os.environ["A_KEY"]'})["A_KEY"]
    assert (variable.file, variable.demanded_by) == ("a.py", "b.py")
