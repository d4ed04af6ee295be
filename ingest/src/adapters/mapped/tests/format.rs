use super::super::{EMBEDDED, load};

const MINIMAL: &str = r#"
name = "x"
reads = "x"
namespace = "x"
[[recognise]]
form = "json"
all = [{ field = "a", present = true }, { field = "b", equals = "1" }]
[[event]]
name = "e"
kind = "snapshot"
source = "/x"
id = "{a}"
resource_kind = "volume"
resource = "{a}"
time = { field = "t", form = "iso" }
measure = [{ meter = "volume", field = "b", flow = "held", unit = "GiB" }]
"#;

#[test]
fn the_mappings_of_the_program_are_valid() {
    for (file, text) in EMBEDDED {
        let mapping = load::parse(file, text).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(format!("{}.toml", mapping.name), file);
    }
}

#[test]
fn mistakes_name_file_and_entry() {
    assert_eq!(load::parse("x.toml", MINIMAL).map(|_| ()), Ok(()));
    let check = |from: &str, to: &str, expect: &str| {
        assert!(MINIMAL.contains(from), "{from}");
        let problems = load::parse("x.toml", &MINIMAL.replacen(from, to, 1)).err();
        let problems = problems.unwrap_or_else(|| panic!("{to} is accepted")).join("; ");
        assert!(problems.starts_with("x.toml: ") && problems.contains(expect), "{problems}");
    };
    check("name = \"x\"", "name = ", "line 2:");
    check("name = \"x\"", "name = \"X y\"", "name: `X y` is not a word");
    check("reads", "writes", "unknown field `writes`");
    check("id = \"{a}\"", "ids = \"{a}\"", "event `e`: unknown field `ids`");
    check("id = \"{a}\"", "id = \"{a\"", "event `e`: ");
    check("{ field = \"a\", present = true }, ", "", "recognise 1: needs at least two conditions");
    check("time = { field = \"t\", form = \"iso\" }", "", "event `e`: kind snapshot needs a time");
    check("\"snapshot\"", "\"interval\"", "event `e`: kind interval needs a window");
    check("\"GiB\"", "\"gib\"", "event `e`: meter `volume`: `gib` is no unit of it");
    check("flow = \"held\"", "flow = \"flown\"", "event `e`: ");
    check(
        "\"snapshot\"",
        "\"delta\"",
        "event `e`: meter `volume`: flow held does not go with kind delta",
    );
    check("field = \"b\", flow", "flow", "needs either a field or a value");
    check(
        "resource = \"{a}\"",
        "resource = \"{@item.a}\"",
        "starts at `@item`, which nothing names",
    );
    check("[[event]]", "[[events]]", "has no [[event]]");
}

#[test]
fn a_folder_is_read_in_order_and_all_its_mistakes_are_told() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("writes");
    };
    write("b.toml", MINIMAL);
    write("a.toml", &MINIMAL.replace("name = \"x\"", "name = \"w\""));
    write("notes.txt", "not a mapping");
    let mappings = load::folder(folder.path()).expect("reads");
    assert_eq!(mappings.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["w", "x"]);
    write("c.toml", "name = 1");
    write("d.toml", "[");
    let problems = load::folder(folder.path()).expect_err("problems");
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("c.toml") && problems[1].contains("d.toml"), "{problems:?}");
    assert!(load::folder(&folder.path().join("none")).is_err());
}
