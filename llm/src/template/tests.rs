//! Renderings against jinja2's.

use serde_json::{Map, Value, json};

use super::*;

fn golden() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/tokenizer");
    let files = std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let files = files.filter(|it| it.extension().is_some_and(|it| it == "json"));
    let read = |it: std::path::PathBuf| {
        let json = serde_json::from_slice(&std::fs::read(&it).unwrap()).unwrap();
        (it.file_name().unwrap().to_string_lossy().into_owned(), json)
    };
    files.map(read).collect()
}

fn render_case(template: &Template, case: &Value) -> Result<String, Error> {
    let tools = Some(&case["tools"]).filter(|it| !it.is_null());
    let mut kwargs = case["kwargs"].as_object().unwrap().clone();
    let prompt = kwargs.remove("add_generation_prompt").is_some_and(|it| it == true);
    template.render(&case["messages"], tools, prompt, &kwargs)
}

#[test]
fn renderings_match_jinja2() {
    let files = golden();
    assert_eq!(files.len(), 3);
    for (name, file) in files {
        let template = Template::new(file["template"].as_str().unwrap(), None, None).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let got = render_case(&template, case).unwrap();
            assert_eq!(case["expected"], got, "{name}, {}", case["name"]);
        }
        for case in file["error_cases"].as_array().unwrap() {
            match render_case(&template, case) {
                Err(Error::Raised(got)) => assert_eq!(case["error"], got, "{name}"),
                other => panic!("{name}, {}: {other:?}", case["name"]),
            }
        }
    }
}

/// Renders `source` over `x`, which stands in a message.
fn with(source: &str, x: Value) -> Result<String, Error> {
    let template = Template::new(source, Some("<s>".into()), Some("</s>".into()))?;
    let kwargs = Map::from_iter([("x".to_owned(), x)]);
    template.render(&json!([]), None, false, &kwargs)
}

fn render(source: &str, x: Value) -> String {
    with(source, x).unwrap()
}

#[test]
fn tojson_is_json_dumps() {
    let x = json!({"b": [1, 2.0, true, null], "a": "é<'&>\"\\\n\u{1}😀", "e": {}, "l": []});
    assert_eq!(
        render("{{ x | tojson }}", x.clone()),
        r#"{"b": [1, 2.0, true, null], "a": "é<'&>\"\\\n\u0001😀", "e": {}, "l": []}"#
    );
    assert_eq!(
        render("{{ x | tojson(indent=2) }}", json!({"k": [1, {"m": 2}], "e": []})),
        "{\n  \"k\": [\n    1,\n    {\n      \"m\": 2\n    }\n  ],\n  \"e\": []\n}"
    );
    assert_eq!(
        render("{{ x | tojson(separators=(',', ':'), sort_keys=true) }}", json!({"b": 1, "a": 2})),
        r#"{"a":2,"b":1}"#
    );
    assert_eq!(
        render("{{ x | tojson(ensure_ascii=true) }}", json!("é😀")),
        r#""\u00e9\ud83d\ude00""#
    );
    assert!(matches!(with("{{ y | tojson }}", json!(1)), Err(Error::Render { .. })));
}

#[test]
fn values_print_as_python_prints_them() {
    let x = json!([true, null, "it's", 1.5, {"k": false}]);
    assert_eq!(render("{{ x }}", x), r#"[True, None, "it's", 1.5, {'k': False}]"#);
    assert_eq!(render("{{ x ~ none ~ (x | string) }}", json!(true)), "TrueNoneTrue");
    assert_eq!(render("{{ 'a' if x is sequence and x is string }}", json!("")), "a");
}

#[test]
fn python_methods_work() {
    for (source, want) in [
        ("{{ x.strip() ~ '|' ~ x.lstrip(' a') ~ '|' ~ x.rstrip() }}", "a-b-c|-b-c | a-b-c"),
        ("{{ x.split('-')[1] ~ x.split('-', 1)[1] ~ x.rsplit('-', 1)[0] }}", "bb-c  a-b"),
        (
            "{{ x.partition('-')[2] ~ x.rpartition('-')[0] ~ x.partition('+')[0] }}",
            "b-c  a-b a-b-c ",
        ),
        (
            "{{ x.removeprefix(' a') ~ x.removesuffix('c ') ~ x.removeprefix('z') }}",
            "-b-c  a-b- a-b-c ",
        ),
        (
            "{{ x.upper().startswith(' A') ~ x.endswith(('q', 'c ')) ~ x.replace('-', '') }}",
            "TrueTrue abc ",
        ),
        ("{{ x.title() ~ x.find('b') ~ x.strip().capitalize() ~ x.count('-') }}", " A-B-C 3A-b-c2"),
        ("{% for k, v in {'p': 1}.items() %}{{ k }}{{ v }}{% endfor %}", "p1"),
        ("{% for i in range(2, -1, -1) %}{{ i }}{% endfor %}", "210"),
        (
            "{{ {'p': 1}.get('q', 'none') ~ {'p': 1}.get('p') ~ {'p': 1}.keys() | list }}",
            "none1['p']",
        ),
        ("{{ x[::-1] ~ x[1:3] ~ ', '.join(['u', 'v']) }}", " c-b-a a-u, v"),
    ] {
        assert_eq!(render(source, json!(" a-b-c ")), want, "{source}");
    }
}

#[test]
fn blocks_are_trimmed() {
    assert_eq!(render("a\n  {% if true %}\nb\n  {% endif %}\nc\n", json!(0)), "a\nb\nc");
    assert_eq!(render("{{ bos_token }}{{ eos_token }}{{ nothing }}", json!(0)), "<s></s>");
}

#[test]
fn generation_marks_are_transparent() {
    let source = "a {%- generation -%} {{ x }} {%- endgeneration %} b{% set generation = 1 %}";
    assert_eq!(render(source, json!(7)), "a7 b");
}

#[test]
fn dates_are_of_today() {
    let year = render("{{ strftime_now('%Y') }}", json!(0));
    assert!(year.parse::<u32>().unwrap() >= 2024, "{year}");
}

#[test]
fn mistakes_are_errors_with_a_line() {
    match Template::new("a\n{% if %}", None, None) {
        Err(Error::Syntax { line: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    match with("\n\n{{ x.nothing.more }}", json!({})) {
        Err(Error::Render { line: 3, .. }) => {}
        other => panic!("{other:?}"),
    }
    match with("{% macro m() %}{{ raise_exception('no: ' ~ x) }}{% endmacro %}{{ m() }}", json!(1))
    {
        Err(Error::Raised(message)) => assert_eq!(message, "no: 1"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn endless_templates_are_stopped() {
    let nested = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
    assert!(matches!(with(nested, json!(0)), Err(Error::Render { .. })));
    let recursive = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    assert!(matches!(with(recursive, json!(0)), Err(Error::Render { .. })));
}

#[test]
fn a_rendering_has_a_bound() {
    let source = "{% for i in range(1000) %}{{ messages[0].content }}{% endfor %}";
    let template = Template::new(source, None, None).unwrap_or_else(|error| panic!("{error}"));
    let messages = json!([{ "role": "user", "content": "x".repeat(1 << 20) }]);
    let error = template.render(&messages, None, true, &Map::new()).unwrap_err();
    assert!(error.to_string().contains("fails"), "{error}");
}
