//! `recoup protect` with stores and directories together.

use super::{Stage, nobody, of_type};
use crate::watching::Watching;

#[test]
fn stores_and_directories_are_protected_together() {
    let Some(stage) = Stage::new() else { return };
    let (home, url) = (&stage.home, stage.url());
    home.write("tree/file", "text");
    let config = format!("protect = [\"~/tree\", \"{url}\"]\netcd-wait = 2\n");
    home.write(".config/recoup/config.toml", config);
    let lines = home.json(&["protect"], 0);
    let protected = of_type(&lines, "protect");
    assert_eq!(of_type(&lines, "snapshot-made").len(), 2);
    let sources: Vec<_> = protected
        .iter()
        .map(|line| line["source"].clone())
        .collect();
    let tree = home.path("tree").to_str().unwrap().to_owned();
    assert_eq!(sources, [tree.clone(), url.clone()]);
    if protected[1]["command"].is_null() {
        println!("SKIP: the command of the watcher: a service manager runs here");
        home.json(&["protect", "--stop"], 0);
        return;
    }
    // Where no service manager runs, the commands are said; each of them does what it says.
    let mut watchers = Vec::new();
    for line in protected {
        let command = line["command"].as_str().unwrap();
        let words: Vec<&str> = command.split(' ').skip(1).chain(["--json"]).collect();
        let mut watching = Watching::start(home.command(&words));
        watching.ready();
        watchers.push(watching);
    }
    let listed = home.list(&["protect", "--list"], 0);
    assert!(
        listed.iter().all(|line| line["watched"] == true),
        "{listed:?}"
    );
    let again = home.json(&["protect", &url, "tree"], 0);
    assert!(
        of_type(&again, "protect")
            .iter()
            .all(|line| line["watched"] == true)
    );
    stage.delete_balancers();
    std::fs::remove_file(home.path("tree/file")).unwrap();
    for watching in &mut watchers {
        watching.wait_for("point", 0);
    }
    let ran = home.run(&["protect", &url, "--stop"]);
    assert_eq!(ran.code, 1, "this watcher is no service: {}", ran.stderr);
    for watching in watchers {
        assert_eq!(watching.stop().0, 0);
    }
    home.json(&["protect", &url, "--stop"], 0);
}

#[test]
fn what_can_not_be_protected_is_told() {
    let Some(stage) = Stage::new() else { return };
    let mut home = crate::home::Home::new();
    home.set("RECOUP_ETCD_WAIT", "0");
    let ran = home.run(&["protect"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let ran = home.run(&["protect", &nobody().to_string()]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("is it running"), "{}", ran.stderr);
    let ran = home.run(&["protect", &stage.url(), "--etcd-user", "ann"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stderr.contains("password"), "{}", ran.stderr);
}
