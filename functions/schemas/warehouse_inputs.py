"""What is said of a warehouse. Importing this loads pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from functions.schemas.values import FILLED, SOMETHING, WHOLE, Input, Name, Password

if TYPE_CHECKING:
    from shared.services.warehouses import WarehouseFields

_LONGEST = 128


def _is_identifier(text: str) -> str:
    """Count as SQL Server does, and refuse what cannot be seen."""
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > _LONGEST or not text.isprintable():
        raise ValueError(f"at most {_LONGEST} characters, none of them a control character")
    return text


Identifier = Annotated[
    str, Field(max_length=_LONGEST, pattern=SOMETHING), AfterValidator(_is_identifier), FILLED
]


def _is_schema(text: str) -> str:
    """Refuse what an ODBC driver may take for a parameter or an escape in a statement's text."""
    if set(text) & set("?{}"):
        raise ValueError("a schema's name has no question mark and no braces")
    return text


Schema = Annotated[Identifier, AfterValidator(_is_schema)]
Host = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[0-9A-Za-z]([0-9A-Za-z._-]*[0-9A-Za-z])?$",
    ),
]


class WarehouseInput(Input):
    r"""A SQL Server database and a login of its own (SQL authentication).

    `host` is a name or an IPv4 address; a named instance (`server\instance`) is given by its port.
    `name` '' is made of database and host. `trustServerCertificate` encrypts without checking
    whose server it is: for one in an office whose certificate no authority vouches for. `password`
    null keeps the one it has, where neither server nor login change; a new warehouse needs one.
    """

    name: Name = ""
    host: Host
    port: Annotated[int, Field(ge=1, le=65535), WHOLE] = 1433
    database: Identifier
    schema_name: Annotated[Schema, Field(alias="schema")] = "linkhub"
    login: Identifier
    password: Password | None = None
    trust_server_certificate: bool = False

    def fields(self) -> WarehouseFields:
        """Return what was said."""
        from shared.services.warehouses import WarehouseFields

        return WarehouseFields(
            name=self.name,
            host=self.host,
            port=self.port,
            database_name=self.database,
            schema_name=self.schema_name,
            login=self.login,
            trust_server_certificate=self.trust_server_certificate,
            password=None if self.password is None else self.password.get_secret_value(),
        )
