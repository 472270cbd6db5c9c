//! Damage, as attackers and mistakes make it. Each begins after some honest work by others, and more
//! of it goes on meanwhile.

use model::incident::{Facts, Looks};

use super::script::{MINUTE, SECOND, Script};

/// Name, seconds within which the alarm must come, what it does.
pub(crate) type Attack = (&'static str, i64, fn(&mut Script));

/// Moving is no damage until the removal, half a minute later; truncating and filling takes 6 s a file, and
/// two files in a hundred are needed.
pub(crate) const ATTACKS: [Attack; 26] = [
    ("rm -rf docs", 10, rm),
    ("rm -rf of everything", 10, rm_everything),
    ("rm -rf, nobody known", 10, rm_unknown),
    ("rm just made files", 10, rm_newborn),
    ("find -exec rm", 10, find_exec),
    ("find -delete *.jpg", 10, find_delete),
    ("rm with copies elsewhere", 10, rm_duplicates),
    ("rm after a move to node_modules", 60, rm_hidden),
    ("rm -rf .git", 10, rm_git),
    ("a tool deletes one in four", 10, one_in_four),
    ("encrypt in place", 10, encrypt),
    ("encrypt, nobody known", 10, encrypt_unknown),
    ("write new, delete old", 10, new_old),
    ("write new with random names", 10, new_random_names),
    ("write new, then delete all", 10, new_then_delete),
    ("truncate, fill later", 90, truncate_fill),
    ("one type, 3-5 % of each", 10, partial),
    ("twenty processes", 10, many_processes),
    ("base64-wrapped", 10, base64),
    ("truncate", 10, truncate),
    ("zeros", 10, zeros),
    ("tails cut", 10, tails),
    ("all one content", 10, same_content),
    ("chmod -R 777", 10, chmod),
    ("event flood, then rm", 10, flood),
    ("one file a minute", 3600, drip),
];

fn others(script: &mut Script) {
    script.honest().by("vim", 900, 50);
    script.edit("mail/cur-index");
    script.wait(7 * SECOND);
    if script.exists("mail/draft") {
        script.remove("mail/draft");
    }
    script.wait(9 * SECOND);
}

fn scramble(script: &mut Script, path: &str) {
    let size = script.facts(path).size;
    let facts = script.fresh(size + 32, Looks::Random);
    script.put(
        path,
        Facts {
            magic_ok: Some(false),
            ..facts
        },
    );
}

fn rm(script: &mut Script) {
    others(script);
    script.by("rm", 1000, 60).evil();
    script.remove_all("docs", 10);
    others(script);
}

fn rm_everything(script: &mut Script) {
    script.by("rm", 1000, 60).evil();
    for dir in ["db", "docs", "mail", "photos", "usr", "var", "work"] {
        script.remove_all(dir, 2);
    }
}

fn rm_unknown(script: &mut Script) {
    script.by_nobody().evil();
    script.remove_all("docs", 10);
}

fn rm_newborn(script: &mut Script) {
    script.by("bash", 60, 1);
    for at in 0..120 {
        let facts = script.fresh(900, Looks::Compressible);
        script.put(&format!("fresh/n{at}.txt"), facts);
    }
    script.wait(20 * SECOND).by("rm", 1000, 60).evil();
    script.remove_all("fresh", 5);
}

fn find_exec(script: &mut Script) {
    others(script);
    for (at, path) in script.files("docs").into_iter().enumerate() {
        script
            .by("rm", 2000 + u32::try_from(at).unwrap(), 1999)
            .evil()
            .wait(12);
        script.remove(&path);
    }
    others(script);
}

fn find_delete(script: &mut Script) {
    others(script);
    script.by("find", 1001, 60).evil();
    for path in script.files("photos") {
        script.wait(3);
        script.remove(&path);
    }
}

fn rm_duplicates(script: &mut Script) {
    script.by("cp", 61, 60);
    for (at, path) in script.files("docs").into_iter().step_by(20).enumerate() {
        let facts = script.facts(&path);
        script.put(&format!("copies/{at}"), facts);
    }
    // Long before, so that they do not look like a move.
    script.wait(70 * MINUTE).by("rm", 1000, 60).evil();
    script.remove_all("docs", 10);
}

fn rm_hidden(script: &mut Script) {
    script.by("mv", 1002, 60).evil();
    for path in script.files("docs") {
        script.wait(1);
        script.rename(&path, &format!("node_modules/{path}"));
    }
    script.wait(30 * SECOND).by("rm", 1003, 60);
    script.remove_all("node_modules", 3);
}

fn rm_git(script: &mut Script) {
    script.by("rm", 1000, 60).evil();
    script.remove_all("work/app/.git", 5);
}

fn one_in_four(script: &mut Script) {
    others(script);
    script.by("python3", 1004, 60).evil();
    for path in script.files("docs").into_iter().step_by(4) {
        script.wait(30);
        script.remove(&path);
    }
    others(script);
}

fn encrypt(script: &mut Script) {
    others(script);
    script.by("evil", 1005, 60).evil();
    for path in script.files("docs") {
        script.wait(25);
        scramble(script, &path);
    }
    others(script);
}

fn encrypt_unknown(script: &mut Script) {
    script.by_nobody().evil();
    for path in script.files("docs") {
        script.wait(25);
        scramble(script, &path);
    }
}

fn new_old(script: &mut Script) {
    others(script);
    script.by("evil", 1005, 60).evil();
    for path in script.files("docs") {
        let facts = script.fresh(9_000, Looks::Random);
        script.wait(30).put(&format!("{path}.locked"), facts);
        script.remove(&path);
    }
}

fn new_random_names(script: &mut Script) {
    script.by("evil", 1005, 60).evil();
    for (at, path) in script.files("docs").into_iter().enumerate() {
        let facts = script.fresh(9_000, Looks::Random);
        let dir = path.rsplit_once('/').unwrap().0;
        script.wait(30).put(&format!("{dir}/{at:08x}"), facts);
        script.remove(&path);
    }
}

fn new_then_delete(script: &mut Script) {
    script.by("evil", 1005, 60).evil();
    let files = script.files("docs");
    let note = script.fresh(700, Looks::Compressible);
    for path in &files {
        let facts = script.fresh(9_000, Looks::Random);
        script.wait(20).put(&format!("{path}.enc"), facts);
        let dir = path.rsplit_once('/').unwrap().0.to_owned();
        script.put(&format!("{dir}/README_TO_RECOVER.txt"), note);
    }
    for path in &files {
        script.wait(20);
        script.remove(path);
    }
}

fn truncate_fill(script: &mut Script) {
    script.by("evil", 1005, 60).evil();
    for path in script.files("docs").into_iter().take(100) {
        let empty = script.fresh(0, Looks::Unknown);
        script.wait(10).put(&path, empty);
        script.wait(6 * SECOND);
        let facts = script.fresh(9_000, Looks::Random);
        script.put(&path, facts);
    }
}

fn partial(script: &mut Script) {
    // Sampling by block tells noise from picture; one type only, so the share of the directory tells.
    script.by("evil", 1005, 60).evil();
    for path in script.files("photos") {
        script.wait(40);
        let size = script.facts(&path).size;
        let facts = script.fresh(size, Looks::Random);
        script.put(&path, facts);
    }
}

fn many_processes(script: &mut Script) {
    others(script);
    for (at, path) in script.files("docs").into_iter().enumerate() {
        script
            .by("evil", 3000 + u32::try_from(at).unwrap() % 20, 2999)
            .evil()
            .wait(5);
        scramble(script, &path);
    }
}

fn base64(script: &mut Script) {
    script.by("evil", 1005, 60).evil();
    for path in script.files("docs") {
        script.wait(20);
        let facts = script.fresh(40_000, Looks::Compressible);
        script.put(
            &path,
            Facts {
                magic_ok: Some(false),
                ..facts
            },
        );
    }
}

fn truncate(script: &mut Script) {
    script.by("truncate", 1006, 60).evil();
    for path in script.files("docs") {
        let empty = script.fresh(0, Looks::Unknown);
        script.wait(5).put(&path, empty);
    }
}

fn zeros(script: &mut Script) {
    script.by("dd", 1007, 60).evil();
    for path in script.files("photos") {
        let size = script.facts(&path).size;
        let facts = script.fresh(size, Looks::Zeros);
        script.wait(50).put(&path, facts);
    }
}

fn tails(script: &mut Script) {
    script.by("evil", 1008, 60).evil();
    for path in script.files("docs") {
        let old = script.facts(&path);
        let cut = script.fresh(old.size / 3, old.looks);
        script.wait(10).put(
            &path,
            Facts {
                head: old.head,
                ..cut
            },
        );
    }
}

fn same_content(script: &mut Script) {
    script.by("sh", 1009, 60).evil();
    let one = script.fresh(1_000, Looks::Compressible);
    for path in script.files("docs") {
        script.wait(10).put(&path, one);
    }
}

fn chmod(script: &mut Script) {
    script.by("chmod", 1010, 60).evil();
    for path in script.files("work/app/src") {
        let facts = script.facts(&path);
        script.wait(2).put(
            &path,
            Facts {
                metadata: 0o777,
                ..facts
            },
        );
    }
}

fn flood(script: &mut Script) {
    script.by("evil", 1011, 60);
    let from = script.now;
    for at in 0..2_000 {
        let facts = script.fresh(10, Looks::Compressible);
        script.wait(4).put(&format!("junk/j{at}"), facts);
    }
    script.by_nobody().evil();
    for path in script.files("docs").into_iter().step_by(7) {
        script.wait(20);
        script.remove(&path);
    }
    script.blurred.push((from, script.now + 5 * SECOND));
}

fn drip(script: &mut Script) {
    script.by("evil", 1005, 60).evil();
    for path in script.files("docs").into_iter().take(90) {
        script.wait(MINUTE);
        scramble(script, &path);
    }
}
