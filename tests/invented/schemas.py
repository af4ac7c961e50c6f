"""Invented schemas in the style of programs: tool definitions, OpenAPI 3.0 and 3.1 components,
output of pydantic and zod, and Kubernetes CRDs. A seed decides them; no part is copied
from a real schema."""

import random

NOUNS = (
    "order user city note job item team invoice sensor ticket route price label owner source target state "
    "limit page title email count score start end region plan file path tag host port mode level unit"
).split()
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"
QUANTITY = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE])?$"
EMAIL = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
SAFE = 9007199254740991


class Maker:
    """A generator of schemas in one style. Styles express the same conditions differently."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.definitions = {}

    def chance(self, share):
        return self.random.random() < share

    def pick(self, *values):
        return self.random.choice(values)

    def names(self, least, most):
        return self.random.sample(NOUNS, self.random.randint(least, most))

    def text(self):
        schema = {"type": "string"}
        match self.random.randrange(8):
            case 0:
                schema["minLength"] = self.pick(1, 2)
            case 1:
                schema["maxLength"] = self.pick(5, 40, 255)
            case 2:
                schema |= {"minLength": 1, "maxLength": self.pick(8, 63)}
            case 3:
                schema["pattern"] = self.pick(
                    "^[a-z][a-z0-9-]{0,10}$", "^[A-Z]{2,3}$", "^\\d{5}(-\\d{4})?$", "^(?!x)[a-z]+$", "[0-9]$"
                )
            case 4:
                schema["format"] = self.pick("date", "date-time", "email", "uuid", "ipv4", "uri")
            case 5:
                schema["enum"] = self.names(1, 5)
        return schema

    def number(self):
        schema = {"type": self.pick("integer", "integer", "number")}
        low = self.pick(0, 1, -10, 18)
        if self.chance(0.5):
            schema["minimum"] = low
        if self.chance(0.4):
            schema["maximum"] = low + self.pick(1, 9, 100, 10**6)
        if self.chance(0.15):
            schema["multipleOf"] = self.pick(2, 5, 0.5) if schema["type"] == "number" else self.pick(2, 5, 60)
        return schema

    def scalar(self):
        return self.pick(self.text, self.text, self.number, lambda: {"type": "boolean"})()

    def array(self, depth):
        schema = {"type": "array", "items": self.value(depth - 1)}
        if self.chance(0.4):
            schema["minItems"] = self.pick(1, 2)
        if self.chance(0.4):
            schema["maxItems"] = self.pick(3, 5)
        if self.chance(0.15):
            schema["uniqueItems"] = True
        return schema

    def value(self, depth):
        if depth <= 0 or self.chance(0.55):
            return self.scalar()
        return self.pick(self.array, self.object, self.object, self.choice)(depth)

    def object(self, depth, least=1, most=5):
        properties = {name: self.value(depth - 1) for name in self.names(least, most)}
        schema = {"type": "object", "properties": properties}
        required = [name for name in properties if self.chance(0.5)]
        if required:
            schema["required"] = required
        return self.finish_object(schema)

    def finish_object(self, schema):
        return schema

    def choice(self, depth):
        return {"anyOf": [self.scalar(), self.object(depth)]}

    def tagged(self, tag, names, depth, closed=False):
        """Alternative objects that differ in the value of one key."""
        branches = []
        for name in names:
            branch = self.object(depth)
            branch["properties"] = {tag: {"const": name}} | branch["properties"]
            branch["required"] = [tag] + [key for key in branch.get("required", []) if key != tag]
            if closed:
                branch["additionalProperties"] = False
            branches.append(branch)
        return branches

    def schema(self):
        raise NotImplementedError


class Tool(Maker):
    """Parameters of a tool: a described object, mostly closed."""

    def finish_object(self, schema):
        if self.chance(0.6):
            schema["additionalProperties"] = False
        return schema

    def value(self, depth):
        schema = super().value(depth)
        return schema | {"description": "The " + self.pick(*NOUNS)} if self.chance(0.4) else schema

    def schema(self):
        schema = self.object(3, 1, 6)
        match self.random.randrange(6):
            case 0:
                names = list(schema["properties"])
                schema["anyOf"] = [{"required": [name]} for name in names[:2]]
            case 1:
                schema["properties"]["filter"] = {"oneOf": self.tagged("op", ["eq", "in"], 1)}
            case 2:
                schema["properties"]["options"] = {"type": "object", "additionalProperties": self.scalar()}
        return schema


class OpenApi30(Maker):
    """Components of OpenAPI 3.0, with `nullable`, boolean exclusive bounds, and inheritance by
    `allOf`."""

    def text(self):
        schema = super().text()
        if self.chance(0.25):
            schema["nullable"] = True
            if "enum" in schema:
                schema["enum"].append(None)
        return schema

    def number(self):
        schema = super().number()
        if schema["type"] == "integer":
            schema["format"] = self.pick("int32", "int64")
        if "minimum" in schema and self.chance(0.3):
            schema["exclusiveMinimum"] = True
        if self.chance(0.2):
            schema["nullable"] = True
        return schema

    def choice(self, depth):
        return {"oneOf": [self.text() | {"nullable": False}, self.object(depth)]}

    def reference(self, name, schema):
        self.definitions[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}

    def schema(self):
        match self.random.randrange(4):
            case 0:
                base = self.reference("Base", self.object(1))
                own = {"type": "object", "properties": {name: self.value(2) for name in self.names(1, 3)}}
                root = {"allOf": [base, own]}
                if self.chance(0.5):
                    root["required"] = list(own["properties"])[:1]
            case 1:
                names = self.names(2, 3)
                branches = [
                    self.reference(name.capitalize(), branch)
                    for name, branch in zip(names, self.tagged("kind", names, 2))
                ]
                for branch in branches:
                    kind = self.definitions[branch["$ref"].rsplit("/")[-1]]["properties"]["kind"]
                    kind["enum"] = [kind.pop("const")]
                root = {"oneOf": branches, "discriminator": {"propertyName": "kind"}}
            case 2:
                item = self.reference("Item", self.object(2))
                root = {
                    "type": "object",
                    "properties": {"items": {"type": "array", "items": item}, "next": {"type": "string", "nullable": True}},
                    "required": ["items"],
                }
            case _:
                node = self.object(2)
                node["properties"]["children"] = {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}
                root = self.reference("Node", node)
        return root | {"components": {"schemas": self.definitions}}


class OpenApi31(Maker):
    """Components of OpenAPI 3.1: JSON Schema 2020-12 with lists of types."""

    def scalar(self):
        schema = super().scalar()
        if self.chance(0.25) and "enum" not in schema:
            schema["type"] = [schema["type"], "null"]
        return schema

    def choice(self, depth):
        return {"oneOf": [{"type": "null"}, self.object(depth)]}

    def schema(self):
        match self.random.randrange(4):
            case 0:
                base = self.object(1)
                self.definitions["Base"] = base
                own = {name: self.value(2) for name in self.names(1, 3)}
                root = {
                    "allOf": [{"$ref": "#/components/schemas/Base"}],
                    "type": "object",
                    "properties": own,
                    "unevaluatedProperties": False,
                }
            case 1:
                names = self.names(2, 4)
                branches = self.tagged("type", names, 2)
                self.definitions |= {name: branch for name, branch in zip(names, branches)}
                root = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}
                root["discriminator"] = {"propertyName": "type"}
            case 2:
                root = {
                    "type": "array",
                    "prefixItems": [self.scalar() for _ in range(self.pick(1, 2, 3))],
                    "items": self.pick(False, {"type": "integer"}),
                }
                if self.chance(0.5):
                    root["minItems"] = len(root["prefixItems"])
            case _:
                root = self.object(3)
                names = list(root["properties"])
                root["dependentRequired"] = {names[0]: [names[-1], "extra"]}
                if self.chance(0.5):
                    root["propertyNames"] = {"pattern": "^[a-z]+$"}
        return {"$schema": DRAFT_2020} | root | {"components": {"schemas": self.definitions}}


class Pydantic(Maker):
    """Models of pydantic: titles and defaults everywhere, optional values as `anyOf` with null, and
    `$defs`."""

    def scalar(self):
        match self.random.randrange(9):
            case 0:
                return {"anyOf": [super().scalar(), {"type": "null"}], "default": None}
            case 1:
                return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"}]}
            case 2:
                return {"const": self.pick(*NOUNS), "type": "string"}
            case 3:
                return {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": self.pick(1, 100.5)}
            case 4:
                return {"type": "string", "format": self.pick("date-time", "time", "duration", "uuid", "date")}
        return super().scalar()

    def value(self, depth):
        match self.random.randrange(8) if depth > 0 else 7:
            case 0:
                return {"type": "object", "additionalProperties": self.scalar()}
            case 1:
                items = [self.scalar() for _ in range(self.pick(1, 2))]
                return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
            case 2:
                name = self.pick("Inner", "Other")
                if name not in self.definitions:
                    self.definitions[name] = {}
                    self.definitions[name] = self.object(depth - 1)
                return {"$ref": f"#/$defs/{name}"}
            case 3:
                return {"type": "array", "items": self.scalar(), "uniqueItems": True}
        return super().value(depth)

    def finish_object(self, schema):
        for name, value in schema["properties"].items():
            if "$ref" not in value:
                value["title"] = name.capitalize()
        if self.chance(0.4):
            schema["additionalProperties"] = False
        return schema | {"title": "Model"}

    def schema(self):
        root = self.object(3)
        if self.chance(0.3):
            names = self.names(2, 3)
            branches = self.tagged("kind", names, 2, closed=self.chance(0.5))
            self.definitions |= {name.capitalize(): branch for name, branch in zip(names, branches)}
            refs = {name: f"#/$defs/{name.capitalize()}" for name in names}
            root["properties"]["pet"] = {
                "discriminator": {"mapping": refs, "propertyName": "kind"},
                "oneOf": [{"$ref": ref} for ref in refs.values()],
            }
        if self.chance(0.2):
            self.definitions["Node"] = {
                "type": "object",
                "properties": {
                    "value": self.scalar(),
                    "next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                },
                "required": ["value"],
            }
            root["properties"]["node"] = {"$ref": "#/$defs/Node"}
        return root | ({"$defs": self.definitions} if self.definitions else {})


class Zod(Maker):
    """Output of zod's converters: draft 7 from version 3, or 2020-12 from version 4."""

    def __init__(self, seed):
        super().__init__(seed)
        self.old = self.chance(0.5)

    def text(self):
        match self.random.randrange(8):
            case 0 if not self.old:
                return {"type": "string", "format": "email", "pattern": EMAIL}
            case 1:
                return {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}
            case 2:
                return {"type": "string", "pattern": self.pick("^c[^\\s-]{8,}$", "^[0-9A-HJKMNP-TV-Z]{26}$", "^pre.*", "fix$")}
        return super().text()

    def number(self):
        if self.chance(0.3):
            return {"type": "number", "exclusiveMinimum": 0}
        schema = super().number()
        if schema["type"] == "integer" and not self.old:
            schema = {"minimum": -SAFE, "maximum": SAFE} | schema
        return schema

    def value(self, depth):
        match self.random.randrange(9) if depth > 0 else 8:
            case 0:
                items = [self.scalar() for _ in range(2)]
                if self.old:
                    return {"type": "array", "items": items, "minItems": 2, "maxItems": 2}
                return {"type": "array", "prefixItems": items}
            case 1:
                record = {"type": "object", "additionalProperties": self.scalar()}
                return record | ({"propertyNames": self.pick({"minLength": 1}, {"enum": self.names(2, 3)})})
            case 2:
                both = [self.object(1), self.object(1)]
                for part in both:
                    part.pop("additionalProperties", None)
                return {"allOf": both}
            case 3:
                return {"anyOf": self.tagged("type", self.names(2, 3), 1, closed=True)}
            case 4:
                return {"anyOf": [self.value(depth - 1), {"type": "null"}]}
            case 5 if self.chance(0.3):
                return {"not": {}} if self.chance(0.2) else {}
        return super().value(depth)

    def finish_object(self, schema):
        schema["additionalProperties"] = False
        schema["required"] = [
            name for name in schema["properties"]
            if name in schema.get("required", []) and schema["properties"][name] != {"not": {}}
        ]
        if not schema["required"]:
            del schema["required"]
        return schema

    def schema(self):
        return self.object(3, 2, 6) | {"$schema": DRAFT_7 if self.old else DRAFT_2020}


class Crd(Maker):
    """The schema of a custom resource."""

    def scalar(self):
        match self.random.randrange(8):
            case 0:
                return {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
            case 1:
                return {
                    "anyOf": [{"type": "integer"}, {"type": "string"}],
                    "pattern": QUANTITY,
                    "x-kubernetes-int-or-string": True,
                }
            case 2:
                return {"type": "integer", "format": "int32", "minimum": self.pick(0, 1), "maximum": self.pick(7, 65535)}
            case 3:
                return {"type": "string", "maxLength": 63, "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
            case 4:
                return {"type": "string", "nullable": True, "default": "x"}
        return super().scalar()

    def value(self, depth):
        match self.random.randrange(8) if depth > 0 else 7:
            case 0:
                return {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 4}
            case 1:
                schema = self.object(depth, 2, 4)
                names = list(schema["properties"])[:2]
                schema["oneOf"] = [{"required": [name]} for name in names]
                schema.pop("required", None)
                return schema
            case 2:
                schema = self.object(depth, 2, 4)
                names = list(schema["properties"])[:2]
                schema["not"] = {"required": names}
                schema.pop("required", None)
                return schema
            case 3:
                return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            case 4:
                schema = self.object(1, 2, 3)
                keys = list(schema["properties"])[:1]
                schema["required"] = keys
                return {"type": "array", "items": schema, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}
        return super().value(depth)

    def schema(self):
        spec = self.object(4, 2, 5)
        if self.chance(0.4):
            spec["anyOf"] = [{"required": [name]} for name in list(spec["properties"])[:2]]
        status = self.object(2)
        return {
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "spec": spec,
                "status": status,
            },
            "required": ["spec"],
        }


class Forms(Maker):
    """Forms in which an answer can make others required: conditions, dependencies and counts."""

    def schema(self):
        root = self.object(2, 3, 5)
        names = list(root["properties"])
        tag = {"enum": ["x", "y", "z"]}
        root["properties"] = {"kind": tag} | root["properties"]
        root["required"] = ["kind"] + root.get("required", [])
        test = {"properties": {"kind": {"const": "x"}}, "required": ["kind"]}
        match self.random.randrange(6):
            case 0:
                root |= {"if": test, "then": {"required": names[:1]}, "else": {"required": names[1:2]}}
            case 1:
                cases = [
                    {"if": {"properties": {"kind": {"const": kind}}}, "then": {"required": [name]}}
                    for kind, name in zip(["x", "y"], names)
                ]
                root["allOf"] = cases
            case 2:
                root["dependentSchemas"] = {names[0]: {"required": [names[1]], "minProperties": 3}}
            case 3:
                root |= {"patternProperties": {"^x-": self.scalar()}, "additionalProperties": False}
            case 4:
                root |= {"minProperties": 2, "maxProperties": 4}
            case _:
                items = {"type": "array", "items": self.scalar(), "contains": {"type": "string", "maxLength": 3}}
                root["properties"]["tags"] = items | self.pick({}, {"minContains": 2}, {"maxContains": 1})
        return root


STYLES = {
    "tool": (Tool, 40),
    "openapi30": (OpenApi30, 34),
    "openapi31": (OpenApi31, 30),
    "pydantic": (Pydantic, 40),
    "zod": (Zod, 36),
    "crd": (Crd, 30),
    "form": (Forms, 24),
}


def invented():
    """The name and schema of every invented schema."""
    for style, (maker, count) in STYLES.items():
        for number in range(count):
            yield f"{style}-{number}", maker(f"{style} {number}").schema()
