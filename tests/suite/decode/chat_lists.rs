//! Lists that chat templates change.

use hedgerow::decode::{ChatInput, ChatTemplate, Message};

#[test]
fn lists_change_as_in_python() {
    let deep = "{% set l = [] %}{% set ns = namespace(v=1) %}{% for i in range(99) %}{% set ns.v = [ns.v] %}{% endfor %}{% set _ = l.append(ns.v) %}";
    let long = "{% set l = [1, 2] %}{% for i in range(40) %}{% set _ = l.extend(l) %}{% endfor %}";
    let table = [
        (
            "{% set l = [] %}{% set _ = l.append(1) %}{% set _ = l.append('a') %}{{ l }} {{ l | length }}",
            "[1, \"a\"] 2",
        ),
        (
            "{% set ns = namespace(ids=[], n=0) %}{% for i in [1, 2, 3] %}{% set _ = ns.ids.append(i) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.ids.pop(0) }}{{ ns.ids.pop() }}{{ ns.ids }}{{ ns.n }}",
            "13[2]6",
        ),
        (
            "{% set l = [1, 2] %}{% set _ = l.extend([3, 4]) %}{% set _ = l.insert(1, 9) %}{{ l | join('-') }} {{ l[1] }} {{ l[-1] }} {{ 9 in l }} {{ l + [5] }}",
            "1-9-2-3-4 9 4 True [1, 9, 2, 3, 4, 5]",
        ),
        ("{% set l = [1] %}{% set _ = l.append(l) %}{{ l }}{{ l | tojson }}", "[1, [1]][1, [1]]"),
        (
            "{% set l = [2, 1] %}{% set _ = l.reverse() %}{% set _ = l.clear() %}{{ l }}{{ l == [] }}",
            "[]True",
        ),
        ("{% set l = [1] + [2] %}{% for x in l %}{{ x }}{% endfor %}{{ l[0:1] }}", "12[1]"),
        ("{% set ns = namespace({'a': [1]}) %}{% set _ = ns.a.append(2) %}{{ ns.a }}", "[1, 2]"),
        ("{% set l = [] %}{{ l.pop() }}", "error: `pop` finds no item there"),
        (deep, "error: a value is nested more than 64 levels deep"),
        (long, "error: a list has more than 100000 items"),
    ];
    for (source, expected) in table {
        let template = ChatTemplate::new(source).unwrap();
        match template.render(&ChatInput::new([Message::new("user", "x")])) {
            Ok(text) => assert_eq!(text, expected, "{source}"),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                let wanted = expected.strip_prefix("error: ").unwrap_or("no error");
                assert!(cause.contains(wanted), "{source}: {error}: {cause}");
            }
        }
    }
}
