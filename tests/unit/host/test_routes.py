from __future__ import annotations

import pytest

from local.host.errors import HostError
from local.host.routes import Route, RouteTable

GUID = "0F8FAD5B-D9CB-469F-A165-70867728950E"


def table(*templates: str, methods: tuple[str, ...] = ()) -> RouteTable:
    return RouteTable.of(Route.parse(t, function=t, methods=methods) for t in templates)


def match(template: str, path: str) -> dict[str, str] | None:
    return Route.parse(template, function="f").match(path)


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("api/items", "/api/items", {}),
        ("api/items", "/API/Items/", {}),
        ("api/items", "/api/items/1", None),
        ("api/{id}", "/api/a%20b", {"id": "a b"}),
        ("api/{id}", "/api/a%2Fb", {"id": "a%2Fb"}),
        ("api/{id}", "/api", None),
        ("api/{id:int}", "/api/-12", {"id": "-12"}),
        ("api/{id:int}", "/api/12x", None),
        ("api/{id:int}", "/api/2147483648", None),
        ("api/{id:long}", "/api/2147483648", {"id": "2147483648"}),
        ("api/{id:long}", "/api/9223372036854775808", None),
        ("api/{name:alpha}", "/api/Abc", {"name": "Abc"}),
        ("api/{name:alpha}", "/api/ab1", None),
        ("api/{on:bool}", "/api/TRUE", {"on": "TRUE"}),
        ("api/{on:bool}", "/api/yes", None),
        ("api/{id:guid}", f"/api/{GUID}", {"id": GUID}),
        ("api/{id:guid}", "/api/not-a-guid", None),
        ("api/{id:int:min(3)}", "/api/3", {"id": "3"}),
        ("api/{id:int:min(3)}", "/api/2", None),
        ("api/{n:range(1,5)}", "/api/6", None),
        ("api/{code:length(2,3)}", "/api/abcd", None),
        ("api/{code:maxlength(2)}", "/api/ab", {"code": "ab"}),
        ("api/{code:regex(^\\d{{2}}$)}", "/api/12", {"code": "12"}),
        ("api/{code:regex(^\\d{{2}}$)}", "/api/123", None),
        ("api/{id:int?}", "/api", {}),
        ("api/{id:int?}", "/api/7", {"id": "7"}),
        ("api/{page=1}", "/api", {"page": "1"}),
        ("files/{*path}", "/files/a/b%20c.txt", {"path": "a/b c.txt"}),
        ("files/{*path}", "/files", {}),
        ("{a}.{b}", "/report.pdf", {"a": "report", "b": "pdf"}),
        ("{*any}", "/", {}),
    ],
)
def test_match(template: str, path: str, values: dict[str, str] | None) -> None:
    """A template matches exactly the paths ASP.NET Core's would, case-insensitively."""
    assert match(template, path) == values


@pytest.mark.parametrize(
    ("path", "function"),
    [
        ("/items/new", "items/new"),
        ("/items/5", "items/{id:int}"),
        ("/items/five", "items/{id}"),
        ("/items/5/parts", "items/{id}/parts"),
        ("/anything/else", "{*rest}"),
    ],
)
def test_more_specific_routes_come_first(path: str, function: str) -> None:
    """Literals beat parameters and constrained ones beat free ones, whatever their order."""
    routes = table("{*rest}", "items/{id}", "items/{id:int}", "items/{id}/parts", "items/new")
    found = routes.find("GET", path)
    assert found is not None
    assert found[0] == function


def test_wrong_method_is_not_found() -> None:
    """A method that is not declared is a 404, HEAD on a GET route included."""
    routes = table("items", methods=("get", "Post"))
    assert routes.find("post", "/items") == ("items", {})
    assert routes.find("HEAD", "/items") is None
    assert routes.find("DELETE", "/items") is None


def test_same_path_may_serve_methods_by_several_functions() -> None:
    """Two functions may share a path when their methods differ."""
    routes = RouteTable.of(
        [
            Route.parse("items", function="list", methods=["GET"]),
            Route.parse("items", function="create", methods=["POST"]),
        ]
    )
    assert routes.find("POST", "/items") == ("create", {})


@pytest.mark.parametrize("template", ["a/{id:colour}", "a/{}", "a/{id", "a/{9x}", "a//b"])
def test_wrong_templates_are_refused(template: str) -> None:
    """A template the real host would not load is an error that names it."""
    with pytest.raises(HostError, match="route"):
        Route.parse(template, function="f")
