"""Variables that settings classes of Pydantic read."""

# ruff: noqa: E501 -- lines of code, one a case

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.variables.reading import variables_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..conftest import Begin

NEW = (
    "from pydantic import BaseModel, Field\nfrom pydantic_settings import BaseSettings, SettingsConfigDict\n"
)
OLD = "from pydantic import BaseSettings, Field\n"


def found(text: str, more: Mapping[str, str] | None = None) -> dict[str, bool]:
    """Name of each variable, and whether it is demanded."""
    sources = {"config.py": text, **(more or {})}
    return {one.name: bool(one.demanded_by) for one in variables_of(sources).values()}


@pytest.mark.parametrize(
    ("field", "variables"),
    [
        ("database_url: str", {"DATABASE_URL": True}),
        ("debug: bool = False", {"DEBUG": False}),
        ("key: str = ...", {"KEY": True}),
        ("key: str = Field()", {"KEY": True}),
        ("key: str = Field(...)", {"KEY": True}),
        ("key: str = Field('x')", {"KEY": False}),
        ("key: str = Field(default='x')", {"KEY": False}),
        ("key: list[str] = Field(default_factory=list)", {"KEY": False}),
        ("key: Annotated[str, Field(alias='other')]", {"OTHER": True}),
        ("key: str = Field(alias='my_key')", {"MY_KEY": True}),
        ("key: str = Field(validation_alias='my_key', alias='x')", {"MY_KEY": True}),
        ("key: str = Field(validation_alias=AliasChoices('a_key', 'b_key'))", {"A_KEY": True}),
        ("key: str = Field(validation_alias=AliasPath('a_key', 0))", {"A_KEY": True}),
        ("key: str | None", {"KEY": True}),
        ("KINDS: ClassVar[list[str]] = []", {}),
        ("_key: str = 'x'", {}),
        ("model_config = SettingsConfigDict(env_prefix='SHOP_')\n    key: str", {"SHOP_KEY": True}),
        ("model_config = {'env_prefix': 'shop_'}\n    key: str", {"SHOP_KEY": True}),
        (
            "model_config: SettingsConfigDict = SettingsConfigDict(env_prefix='SHOP_')\n    key: str",
            {"SHOP_KEY": True},
        ),
        (
            "model_config = SettingsConfigDict(env_prefix='SHOP_')\n    key: str = Field(alias='K')",
            {"K": True},
        ),
        ("model_config = SettingsConfigDict(env_prefix=PREFIX)\n    key: str", {}),
        ("model_config = SettingsConfigDict(case_sensitive=True)\n    key: str", {"key": True}),
        ("class Config:\n        env_prefix = 'SHOP_'\n    key: str", {"SHOP_KEY": True}),
    ],
)
def test_fields_are_variables(field: str, variables: dict[str, bool]) -> None:
    """In upper case, with the prefix, or by their alias; those without a default are demanded."""
    assert found(f"{NEW}class Settings(BaseSettings):\n    {field}\n") == variables


@pytest.mark.parametrize(
    ("field", "variables"),
    [
        ("key: Optional[str]", {"KEY": False}),
        ("key: str = Field(..., env='THE_KEY')", {"THE_KEY": True}),
        ("key: str = Field('x', env=['A_KEY', 'B_KEY'])", {"A_KEY": False}),
    ],
)
def test_fields_of_the_first_version(field: str, variables: dict[str, bool]) -> None:
    """It has `env` in place of an alias, and an optional field has a default."""
    assert found(f"{OLD}class Settings(BaseSettings):\n    {field}\n") == variables


MODEL = "class Database(BaseModel):\n    host: str\n    port: int = 5432\n"
NESTED = f"{NEW}{MODEL}class Settings(BaseSettings):\n    {{options}}\n    db: Database\n"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        (
            NESTED.format(options="model_config = SettingsConfigDict(env_nested_delimiter='__')"),
            {"DB__HOST": True, "DB__PORT": False},
        ),
        (NESTED.format(options="pass"), {"DB": True}),
        (
            f"{NEW}class Base(BaseSettings):\n    a: str\nclass Settings(Base, env_prefix='S_'):\n    b: str\n",
            {"S_A": True, "S_B": True},
        ),
        (
            f"{NEW}class Base(BaseSettings):\n    a: str\nclass More(Base):\n    a: str = 'x'\nbase = Base()\n",
            {"A": True},
        ),
        (f"{NEW}class Base(BaseSettings):\n    a: str\nclass More(Base):\n    a: str = 'x'\n", {"A": False}),
        (f"{NEW}class TestSettings(BaseSettings):\n    a: str\n", {}),
        (f"{NEW}class TesterSettings(BaseSettings):\n    a: str\n", {"A": True}),
        (
            f"{NEW}class Db(BaseSettings):\n    model_config = SettingsConfigDict(env_prefix='DB_')\n    host: str\n"
            "class Settings(BaseSettings):\n    model_config = {'env_nested_delimiter': '__'}\n    db: Db = Db()\n",
            {"DB_HOST": True},
        ),
        ("from pydantic_settings import BaseSettings as B\nclass S(B):\n    a: str\n", {"A": True}),
        ("import pydantic_settings\nclass S(pydantic_settings.BaseSettings):\n    a: str\n", {"A": True}),
        (f"{NEW}class S(BaseSettings):\n    a: str =\n", {}),
    ],
)
def test_classes_of_settings(text: str, variables: dict[str, bool]) -> None:
    """Models in them, those that they derive from, and those that no server uses."""
    assert found(text) == variables


def test_a_class_in_another_file() -> None:
    """The fields are those of both, and files that cannot be parsed say nothing."""
    more = {
        "shop/settings.py": "class Shop(Base):\n    b: str\n",
        "broken.py": "class X(BaseSettings):\n a b",
        "test_config.py": f"{NEW}class Other(BaseSettings):\n    c: str\n",
    }
    assert found(f"{NEW}class Base(BaseSettings):\n    a: str\n", more) == {"A": True, "B": True}


COURSE = f"""{NEW}
class Settings(BaseSettings):
    database_hostname: str
    database_port: str
    database_password: str
    database_name: str
    database_username: str
    secret_key: str
    algorithm: str
    stripe_key: str
    public_url: str = "http://localhost"
"""
FASTAPI = {"requirements.txt": "fastapi\npydantic-settings\npsycopg2\n", "main.py": "app = FastAPI()\n"}


def test_an_app_of_fastapi_gets_what_its_settings_demand(begin: Begin) -> None:
    """It knew calls of getenv alone, and the app ended with fields that are missing."""
    files = {
        **FASTAPI,
        "config.py": COURSE,
        ".env": "secret_key=k\nstripe_key=sk_1\nDATABASE_HOSTNAME=localhost\nPOSTGRES_PASSWORD=p\n",
    }
    start, project = begin(files)
    env = project.services[0].env
    assert env["DATABASE_HOSTNAME"] == "postgres"
    assert (env["DATABASE_PORT"], env["DATABASE_NAME"]) == ("5432", "postgres")
    assert env["DATABASE_PASSWORD"] == "p"
    assert env["STRIPE_KEY"] == "sk_1", "settings take the names of .env in any case"
    assert [text for text in start.todo if text.startswith("set ALGORITHM in .env")]
    assert "# PUBLIC_URL: ${PUBLIC_URL}" in start.files["ftl.yaml"]
    assert env["SECRET_KEY"] == "k"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ('class S(BaseSettings, env_prefix="SHOP_"):\n    database_url: PostgresDsn\n', "SHOP_DATABASE_URL"),
        ('class S(BaseSettings):\n    db: PostgresDsn = Field(alias="pg_dsn", validation_alias="database_uri")\n', "DATABASE_URI"),
        ("import os\nos.environ['SHOP_DATABASE_URL']\n", "SHOP_DATABASE_URL"),
        ('class S(BaseSettings, env_prefix="CORE_"):\n    url: str = Field(alias="core_db_url")\n', "CORE_DB_URL"),
    ],
)  # fmt: skip
def test_the_address_below_a_word_of_the_app(begin: Begin, code: str, name: str) -> None:
    """By the name of the field, or with words before the usual name."""
    start, project = begin({**FASTAPI, "config.py": f"{NEW}{code}"})
    assert project.services[0].env[name].startswith("postgresql://postgres:")
    assert "connect the app to it" not in start.files["ftl.yaml"]


@pytest.mark.parametrize("name", ["TEST_DATABASE_URL", "APP_TEST_DATABASE_URL", "LEGACY_DATABASE_URL"])
def test_the_address_of_another_database(begin: Begin, name: str) -> None:
    """That of tests, say, is not the app's."""
    _, project = begin({**FASTAPI, "config.py": f"import os\nos.getenv('{name}')\n"})
    assert name not in project.services[0].env
