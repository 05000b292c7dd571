"""Commands and files are found on pages as a reader finds them."""

from __future__ import annotations

import pytest

from tests.support.pages import Command, blocks, commands, mentioned

PAGE = """\
# A page

`ftl deploy -x` and `make`, then:

    ftl deploy web          # a comment; or: something else
    echo 'a # b' | ftl restore db - > log.txt

```console
$ FTL_ENV=staging ftl status --watch
SERVICE  RELEASE
$ ftl logs
```

`app.py`, of two lines:

```python
import os

os.getpid()
```

- In a list:
  ```yaml
  # ftl.staging.yaml
  server: b
  ```

```
web: built in 2 s
```
"""


def test_blocks_have_their_lines_and_files() -> None:
    """Fenced and indented ones, without their indentation; a file is named before, or by its first line."""
    assert [(each.line, each.language, each.file, each.is_shell) for each in blocks(PAGE)] == [
        (5, "", "", True),
        (9, "console", "", True),
        (17, "python", "app.py", False),
        (24, "yaml", "ftl.staging.yaml", False),
        (29, "", "", False),
    ]
    assert blocks(PAGE)[2].text == "import os\n\nos.getpid()\n"
    assert blocks(PAGE)[3].text == "# ftl.staging.yaml\nserver: b\n"


def test_commands_have_their_output_and_no_comment() -> None:
    """With a prompt somewhere in the block, lines without one are what was printed."""
    assert [command for block in blocks(PAGE) for command in commands(block)] == [
        Command(5, "ftl deploy web"),
        Command(6, "echo 'a # b' | ftl restore db - > log.txt"),
        Command(9, "FTL_ENV=staging ftl status --watch", ("SERVICE  RELEASE",)),
        Command(11, "ftl logs"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ftl deploy web", ["deploy", "web"]),
        ("echo 'a # b' | ftl restore db - > log.txt", ["restore", "db", "-"]),
        ("FTL_ENV=x ftl run web -- sh -c 'ls | wc -l'", ["run", "web", "--", "sh", "-c", "ls | wc -l"]),
        ("uv tool install ftl-deploy", []),
    ],
)
def test_the_arguments_of_a_call(text: str, words: list[str]) -> None:
    """Those of `ftl`, without what belongs to the shell."""
    assert Command(1, text).words == words


def test_calls_in_sentences() -> None:
    """Those between backticks, and none of a block."""
    assert mentioned(PAGE) == ["ftl deploy -x"]
