//! Lines that scripts read: each is described in `docs/json-schema.json`.

use crate::home::Home;
use crate::schema;

#[test]
fn lines_are_as_described() {
    let home = Home::with_repository();
    home.shell(
        "mkdir d; for i in $(seq 300); do echo content $i $i $i > d/f$i; done; echo keep > keep",
    );
    for line in home.json(&["protect", "tree"]) {
        assert_ne!(line["type"], "error", "{line}");
    }
    let mut watching = home.watch(&[]);
    let ready = watching.ready();
    home.write("tree/keep", "changed");
    let point = watching.wait_for("point", 0);
    home.shell("rm -rf d");
    let incident = watching.wait_for("incident", 0);
    assert_eq!(ready["files"], 301, "{ready}");
    assert_eq!(point["changes"], 1, "{point}");
    for field in [
        "id", "level", "from", "to", "before", "after", "keys", "actor",
    ] {
        assert!(
            !incident[field].is_null() || field == "actor",
            "{field}: {incident}"
        );
    }
    let named = |lines: &[serde_json::Value], kind: &str| {
        let of_kind = lines.iter().filter(|line| line["type"] == kind);
        of_kind.count()
    };
    let id = point["id"].as_str().unwrap().to_owned();
    let pins = home.json(&["pin", &id, "tree"]);
    assert_eq!(named(&pins, "pin"), 1);
    let status = home.json(&["status"]);
    assert_eq!(named(&status, "source"), 1);
    assert_eq!(named(&status, "summary"), 1);
    assert_eq!(named(&home.json(&["protect", "--list"]), "source"), 1);
    let listed = home.json(&["incidents", "--all"]);
    assert!(named(&listed, "incident") >= 1);
    let shown = home.json(&["incidents", "show", "1"]);
    assert!(named(&shown, "key") >= 300, "{}", shown.len());
    let timeline = home.json(&["timeline", "tree"]);
    for kind in ["point", "checkpoint", "pin", "incident", "summary"] {
        assert!(named(&timeline, kind) >= 1, "no {kind} in the timeline");
    }
    assert_eq!(named(&home.json(&["unpin", &id, "tree"]), "pin"), 1);
    let said = watching.said();
    let (code, text) = watching.stop();
    assert_eq!(code, 0, "{text}");
    for (_, line) in said {
        schema::check(&line);
    }
    home.json(&["protect", "tree", "--stop"]);
}
