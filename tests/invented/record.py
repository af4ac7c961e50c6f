"""Writes tests/data/invented.jsonl.gz, and judges outputs drawn from it.

    python -m venv VENV && VENV/bin/pip install hypothesis-jsonschema hypothesis==6.112.0 'jsonschema[format-nongpl]' regex
    VENV/bin/python tests/invented/record.py write [INSTANCES] | gzip -9n > tests/data/invented.jsonl.gz
    HEDGEROW_OUTPUTS=FILE cargo test --test suite schema_dialect
    VENV/bin/python tests/invented/record.py judge FILE

A line is an object with `name`, `schema`, `valid` and `invalid` instances. If the schema uses keywords
of OpenAPI 3.0, `plain` is the same schema in keywords that validators know. Valid instances come from
hypothesis-jsonschema, an independent generator, and are judged by jsonschema with formats. Invalid
ones are such instances with something changed."""

import base64
import copy
import json
import pathlib
import random
import re
import sys

import hypothesis
import jsonschema
import regex
from hypothesis_jsonschema import from_schema

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import schemas  # noqa: E402

LARGEST = 220


def plain(schema):
    """The schema without `nullable` and boolean exclusive bounds, unless it names a draft."""
    if isinstance(schema, dict) and "$schema" in schema:
        return schema
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: plain(value) for key, value in schema.items()}
    nullable = out.get("nullable")
    if isinstance(nullable, bool):
        del out["nullable"]
        if nullable and isinstance(out.get("type"), str):
            out["type"] = [out["type"], "null"]
    for bound in ("Minimum", "Maximum"):
        if out.get("exclusive" + bound) is True and bound.lower() in out:
            out["exclusive" + bound] = out.pop(bound.lower())
    return out


def in_draft_7(schema, root, depth=3):
    """The schema in keywords of the generator, which knows draft 7 without recursion. A reference
    is replaced by its target, `depth` times inside each other and then by `false`. Keywords that the
    generator does not know are left out."""
    if isinstance(schema, list):
        return [in_draft_7(item, root, depth) for item in schema]
    if not isinstance(schema, dict):
        return schema
    skipped = ("$schema", "$defs", "definitions", "components", "unevaluatedProperties", "minContains", "maxContains")
    target = schema.get("$ref", schema.get("$dynamicRef"))
    if isinstance(target, str):
        if depth == 0:
            return False
        found = root
        for part in target.lstrip("#").split("/")[1:]:
            found = found[part.replace("~1", "/").replace("~0", "~")]
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "$dynamicRef", "$id")}
        inlined = in_draft_7(found, root, depth - 1)
        rest = in_draft_7(rest, root, depth)
        return {"allOf": [inlined, rest]} if rest and found is not root else inlined
    out = {key: in_draft_7(value, root, depth) for key, value in schema.items() if key not in skipped}
    if "prefixItems" in out:
        if "items" in out:
            out["additionalItems"] = out.pop("items")
        out["items"] = out.pop("prefixItems")
    for old in ("dependentRequired", "dependentSchemas"):
        if isinstance(out.get(old), dict):
            out["dependencies"] = out.get("dependencies", {}) | out.pop(old)
    return out


def in_python(wanted):
    """The pattern with ECMA-262's classes, in which a digit is one of ten, and its end of text."""
    out, in_class, rest = "", False, wanted
    while rest:
        length = 2 if rest[0] == "\\" else 1
        part, rest = rest[:length], rest[length:]
        classes = {"\\d": "0-9", "\\w": "0-9A-Za-z_"}
        if part in classes:
            part = classes[part] if in_class else f"[{classes[part]}]"
        elif part == "$" and not in_class:
            part = r"\Z"
        elif part in "[]":
            in_class = part == "["
        out += part
    return out


def pattern(_, wanted, instance, __):
    if isinstance(instance, str) and not regex.search(in_python(wanted), instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {wanted!r}")


def content_encoding(_, encoding, instance, __):
    """Checks base64 with padding, which hedgerow enforces by default."""
    if encoding == "base64" and isinstance(instance, str):
        try:
            right = base64.b64encode(base64.b64decode(instance, validate=True)).decode() == instance
        except ValueError:
            right = False
        if not right:
            yield jsonschema.ValidationError(f"{instance!r} is not base64")


def validator(schema):
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    keywords = {"pattern": pattern}
    if kind not in (jsonschema.Draft4Validator, jsonschema.Draft6Validator):
        keywords["contentEncoding"] = content_encoding
    kind = jsonschema.validators.extend(kind, keywords)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def is_extreme(text):
    """True if a number has an exponent that no spelling under bounds may have, or if a time is in
    the year 0 or in a leap second, which Python does not know."""
    return re.search(r"e[+-]?3[0-9]{2}|\"0000-|:60", text) is not None


def instances(schema, judge, count):
    """Small valid instances, all different."""
    found = {}
    # Numbers that must differ have no exponents; see docs/json-schema.md.
    distinct = "uniqueItems" in json.dumps(schema)
    settings = hypothesis.settings(
        max_examples=6 * count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )

    @settings
    @hypothesis.given(from_schema(in_draft_7(schema, schema)))
    def collect(instance):
        text = json.dumps(instance, ensure_ascii=False)
        odd = is_extreme(text) or distinct and re.search("[0-9]e[+-]?[0-9]", text)
        if len(text) <= LARGEST and text not in found and not odd and judge.is_valid(instance):
            found[text] = instance

    try:
        collect()
    except Exception as error:  # A failure of the generator leaves fewer instances.
        print("the generator stops:", error, file=sys.stderr)
    chosen = list(found.values())
    random.Random(0).shuffle(chosen)
    # Large instances come first, because they test more.
    return sorted(chosen[: 2 * count], key=lambda v: -len(json.dumps(v)))[:count]


def changed(value, source):
    """A copy of the value with one part of it changed."""
    value = copy.deepcopy(value)
    places = []

    def walk(at, put):
        places.append((at, put))
        if isinstance(at, dict):
            for key in at:
                walk(at[key], lambda new, at=at, key=key: at.__setitem__(key, new))
        elif isinstance(at, list):
            for index in range(len(at)):
                walk(at[index], lambda new, at=at, index=index: at.__setitem__(index, new))

    root = [value]
    walk(value, lambda new: root.__setitem__(0, new))
    at, put = source.choice(places)
    if isinstance(at, dict) and source.random() < 0.7:
        if at and source.random() < 0.6:
            del at[source.choice(list(at))]
        else:
            at[source.choice(schemas.NOUNS)] = source.choice([None, 1, "x", []])
    elif isinstance(at, list) and at and source.random() < 0.6:
        source.choice([lambda: at.pop(), lambda: at.append(at[0])])()
    else:
        put(source.choice([None, True, -1, 0.5, 10**7, "", "xx", [], {}, [1], {"a": 1}]))
    return root[0]


def write(count):
    for name, schema in everything():
        judged = plain(schema)
        judge = validator(judged)
        valid = instances(judged, judge, count)
        source = random.Random(name)
        invalid = {}
        for _ in range(40 * count):
            if not valid or len(invalid) >= max(1, count * 3 // 4):
                break
            wrong = changed(source.choice(valid), source)
            text = json.dumps(wrong, ensure_ascii=False)
            if len(text) <= LARGEST and not judge.is_valid(wrong):
                invalid[text] = wrong
        line = {"name": name, "schema": schema, "valid": valid, "invalid": list(invalid.values())}
        if judged != schema:
            line["plain"] = judged
        print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), flush=True)
        if not valid:
            print("no instance of", name, file=sys.stderr)


def everything():
    written = json.loads((pathlib.Path(__file__).parent / "written.json").read_text())
    yield from written.items()
    yield from schemas.invented()


def judge(path):
    """Judges the outputs of a file, whose lines have a schema's name and an output."""
    judges = {name: validator(plain(schema)) for name, schema in everything()}
    wrong = total = 0
    for line in open(path, encoding="utf-8"):
        name, output = json.loads(line)
        total += 1
        value = json.loads(output)
        error = next(judges[name].iter_errors(value), None)
        # Python's judgement of extreme values does not count.
        if error and not is_extreme(json.dumps(value)):
            wrong += 1
            print(f"{name}: {output}\n  {error.message[:300]} at {list(error.absolute_path)}")
    print(f"{total} outputs, {wrong} invalid", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write"]:
            write(3)
        case ["write", count]:
            write(int(count))
        case ["judge", file]:
            sys.exit(judge(file))
        case _:
            sys.exit(__doc__)
