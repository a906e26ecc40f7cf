"""Checks requests and responses against docs/openapi.yaml."""

import os
import re

import jsonschema
import yaml
from service import TOP

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def exact(value):
    """Makes patterns match to the end of the text: in Python, $ also matches before a final newline."""
    if isinstance(value, dict):
        return {key: re.sub(r"\$$", r"\\Z", part) if key == "pattern" and isinstance(part, str) else exact(part)
                for key, part in value.items()}
    return [exact(part) for part in value] if isinstance(value, list) else value


class Description:
    def __init__(self):
        with open(os.path.join(TOP, "docs", "openapi.yaml"), encoding="utf-8") as file:
            self.document = exact(yaml.safe_load(file))
        self.resolver = jsonschema.RefResolver("", self.document)
        self.operations = {
            operation["operationId"]: Operation(self, method, path, operation, item.get("parameters", []))
            for path, item in self.document["paths"].items() for method, operation in item.items() if method in METHODS}

    def resolve(self, value):
        """Returns the target of a reference, and any other value unchanged."""
        while "$ref" in value:
            value = self.resolver.resolve(value["$ref"])[1]
        return value

    def complaints(self, schema, value):
        validator = jsonschema.Draft202012Validator(
            schema, resolver=self.resolver, format_checker=jsonschema.draft202012_format_checker)
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(value)]

    def allows(self, schema, value):
        return not self.complaints(schema, value)

    def schema(self, name):
        return self.document["components"]["schemas"][name]

    def methods(self, path):
        return {operation.method for operation in self.operations.values() if operation.path == path}


class Operation:
    def __init__(self, description, method, path, operation, shared):
        self.description = description
        self.method = method.upper()
        self.path = path
        self.security = operation.get("security")
        self.open = self.security == []
        parameters = [description.resolve(parameter) for parameter in (*shared, *operation.get("parameters", []))]
        self.parameters = {(parameter["in"], parameter["name"]): parameter for parameter in parameters}
        self.responses = {int(status): description.resolve(response)
                          for status, response in operation["responses"].items()}
        content = operation.get("requestBody", {"content": {}})["content"]
        self.body = content.get("application/json")

    def query(self):
        return {name: parameter for (place, name), parameter in self.parameters.items() if place == "query"}

    def described_headers(self, status):
        """Returns {name in lower case: description}."""
        return {name.lower(): self.description.resolve(header)
                for name, header in self.responses[status].get("headers", {}).items()}

    def codes(self, status):
        """Returns the error codes that a response with this status may have; None if it is no error."""
        content = self.responses[status].get("content", {}).get("application/json")
        if status < 400 or content is None:
            return None
        schema = self.description.resolve(content["schema"])
        parts = [self.description.resolve(part) for part in schema.get("allOf", [schema])]
        return set.intersection(*(set(part["properties"]["error_code"]["enum"]) for part in parts))

    def judge(self, response):
        """Fails if the response does not match the description: its status, headers, type and body."""
        assert response.status in self.responses, f"{self.method} {self.path} has no such answer: {response}"
        described = self.responses[response.status]
        self.judge_headers(response)
        if response.status in (204, 304):
            assert not response.body and "content" not in described, f"{response}"
            return
        assert list(described["content"]) == [response.headers["content-type"].split(";")[0]], f"{response}"
        if self.method == "HEAD":
            assert response.body == b"", f"{response}"
        elif "application/json" in described["content"]:
            schema = described["content"]["application/json"]["schema"]
            complaints = self.description.complaints(schema, response.json())
            assert not complaints, f"{complaints} of {response}"

    def judge_headers(self, response):
        known = self.described_headers(response.status)
        unknown = set(response.headers) - set(known) - {"content-type", "content-length"}
        assert not unknown, f"headers that are not described: {unknown} of {response}"
        for name, header in known.items():
            assert name in response.headers or not header.get("required"), f"no header {name}: {response}"
            if name in response.headers:
                value = response.headers[name]
                if header["schema"]["type"] == "integer":
                    assert re.fullmatch("[0-9]+", value), f"{name} of {response}"
                    value = int(value)
                complaints = self.description.complaints(header["schema"], value)
                assert not complaints, f"{name}: {complaints} of {response}"
