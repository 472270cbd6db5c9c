//! Honest work that looks like damage. None of it may raise an alarm, not even for one point.

use model::incident::{Facts, Looks};

use super::script::{MINUTE, SECOND, Script};

pub(crate) type Play = (&'static str, fn(&mut Script));

pub(crate) const BENIGN: [Play; 28] = [
    ("git checkout", git_checkout),
    ("git checkout, nobody known", git_checkout_unknown),
    ("git rebase", git_rebase),
    ("git gc", git_gc),
    ("npm ci", npm_ci),
    ("cargo clean", cargo_clean),
    ("cargo build", cargo_build),
    ("cargo fmt", cargo_fmt),
    ("apt upgrade", apt_upgrade),
    ("apt autoremove", apt_autoremove),
    ("logrotate", logrotate),
    ("logrotate, nobody known", logrotate_unknown),
    ("logrotate copytruncate", copytruncate),
    ("tar of the home", tar),
    ("zip of pictures", zip),
    ("ffmpeg", ffmpeg),
    ("photo import", photo_import),
    ("mv of a tree", move_tree),
    ("cp then rm of the first", copy_then_remove),
    ("rsync update", rsync),
    ("mail: new to cur", mail),
    ("editor saves all day", editor),
    ("database always written", database),
    ("store merges its files", compaction),
    ("chown -R to another user", chown),
    ("gpg of three letters", gpg_letters),
    ("sed -i over a tree", sed),
    ("our own restore", our_restore),
];

fn touch_git(script: &mut Script) {
    let lock = script.fresh(0, Looks::Unknown);
    script.put("work/app/.git/index.lock", lock);
}

fn finish_git(script: &mut Script) {
    script.edit("work/app/.git/index");
    script.edit("work/app/.git/HEAD");
    script.remove("work/app/.git/index.lock");
}

fn checkout(script: &mut Script) {
    touch_git(script);
    for (at, path) in script.files("work/app/src").into_iter().enumerate() {
        script.wait(40);
        match at % 3 {
            0 => script.remove(&path),
            1 => script.edit(&path),
            _ => {}
        }
    }
    finish_git(script);
}

fn git_checkout(script: &mut Script) {
    script.by("git", 100, 50);
    checkout(script);
}

fn git_checkout_unknown(script: &mut Script) {
    // inotify tells nobody; the head's lock is there while the files go.
    let lock = script.fresh(0, Looks::Unknown);
    script.put("work/app/.git/HEAD.lock", lock);
    checkout(script);
}

fn git_rebase(script: &mut Script) {
    script.by("git", 100, 50);
    for _ in 0..5 {
        checkout(script);
        script.wait(10 * SECOND);
        touch_git(script);
        for at in 0..300 {
            let path = format!("work/app/src/m{}/c{at}.rs", at % 6);
            let size = 4_000;
            let facts = script.fresh(size, Looks::Compressible);
            script.put(&path, facts);
        }
        finish_git(script);
        script.wait(10 * SECOND);
    }
}

fn git_gc(script: &mut Script) {
    script.by("git", 100, 50);
    let pack = script.fresh(900_000, Looks::KnownPacked);
    script.put("work/app/.git/objects/pack/pack-1.pack", pack);
    script.wait(3 * SECOND);
    let packed = "work/app/.git/objects/pack";
    for path in script
        .files("work/app/.git/objects")
        .into_iter()
        .filter(|path| !path.starts_with(packed))
    {
        script.wait(5);
        script.remove(&path);
    }
}

fn npm_ci(script: &mut Script) {
    script.by("npm", 200, 50);
    script.remove_all("work/web/node_modules", 3);
    for at in 0..300 {
        let facts = script.fresh(3_000, Looks::Compressible);
        script.put(
            &format!("work/web/node_modules/p{}/i{at}.js", at % 40),
            facts,
        );
    }
}

fn cargo_clean(script: &mut Script) {
    script.by("cargo", 200, 50).wait(SECOND);
    script.remove_all("work/app/target", 1);
}

fn cargo_build(script: &mut Script) {
    script.by("rustc", 201, 200);
    for _ in 0..6 {
        script.wait(20 * SECOND);
        for path in script.files("work/app/target") {
            let facts = script.fresh(40_000, Looks::Random);
            script.put(&path, facts);
        }
    }
}

fn cargo_fmt(script: &mut Script) {
    script.by("rustfmt", 300, 50);
    for path in script.files("work/app/src") {
        script.wait(2);
        script.edit(&path);
    }
}

fn apt_upgrade(script: &mut Script) {
    script.by("dpkg", 400, 399);
    script.edit("var/lib/dpkg/status");
    for (at, path) in script.files("usr/share").into_iter().enumerate() {
        script.wait(30);
        match at % 4 {
            0 => script.remove(&path),
            1 => {
                let facts = script.fresh(5_000, Looks::Compressible);
                script.put(&format!("{path}.2"), facts);
            }
            _ => script.edit(&path),
        }
    }
    script.edit("var/lib/dpkg/status");
}

fn apt_autoremove(script: &mut Script) {
    script.by("dpkg", 400, 399);
    script.edit("var/lib/dpkg/status");
    script.remove_all("usr/share", 20);
}

fn rotate(script: &mut Script) {
    for at in 0..12 {
        script.wait(100);
        let log = format!("var/log/s{at}.log");
        script.remove(&format!("{log}.4.gz"));
        script.rename(&format!("{log}.3.gz"), &format!("{log}.4.gz"));
        script.rename(&format!("{log}.2.gz"), &format!("{log}.3.gz"));
        let packed = script.fresh(9_000, Looks::KnownPacked);
        script.put(&format!("{log}.2.gz"), packed);
        let plain = script.facts(&log);
        script.put(&format!("{log}.1"), plain);
        let empty = script.fresh(0, Looks::Unknown);
        script.put(&log, empty);
    }
}

fn logrotate(script: &mut Script) {
    script.by("logrotate", 500, 1);
    rotate(script);
}

fn logrotate_unknown(script: &mut Script) {
    for _ in 0..3 {
        rotate(script);
        script.wait(20 * MINUTE);
    }
}

fn copytruncate(script: &mut Script) {
    script.by("logrotate", 500, 1);
    for path in script.files("var/log") {
        let whole = script.facts(&path);
        script.put(&format!("{path}-20240131"), whole);
        let empty = script.fresh(0, Looks::Unknown);
        script.wait(400).put(&path, empty);
    }
}

fn tar(script: &mut Script) {
    script.by("tar", 600, 50).wait(9 * SECOND);
    let facts = script.fresh(900_000_000, Looks::KnownPacked);
    script.put("home.tar.gz", facts);
}

fn zip(script: &mut Script) {
    script.by("zip", 601, 50);
    for year in 0..4 {
        let facts = script.fresh(300_000_000, Looks::KnownPacked);
        script
            .wait(8 * SECOND)
            .put(&format!("photos/y{year}.zip"), facts);
    }
}

fn ffmpeg(script: &mut Script) {
    script.by("ffmpeg", 602, 50);
    for at in 0..40 {
        let facts = script.fresh(9_000_000, Looks::Random);
        script
            .wait(SECOND)
            .put(&format!("photos/clips/c{at}.raw"), facts);
    }
}

fn photo_import(script: &mut Script) {
    script.by("shotwell", 603, 50);
    for at in 0..800 {
        let facts = script.fresh(3_000_000, Looks::KnownPacked);
        script.wait(30).put(&format!("photos/new/i{at}.jpg"), facts);
    }
}

fn move_tree(script: &mut Script) {
    script.by("mv", 604, 50);
    for path in script.files("photos") {
        script.wait(4);
        script.rename(&path, &path.replace("photos", "pictures"));
    }
}

fn copy_then_remove(script: &mut Script) {
    script.by("cp", 605, 50);
    for path in script.files("docs") {
        let facts = script.facts(&path);
        script.wait(20).put(&format!("archive/{path}"), facts);
    }
    script.by("rm", 606, 50).wait(30 * SECOND);
    script.remove_all("docs", 5);
}

fn rsync(script: &mut Script) {
    script.by("rsync", 607, 50);
    for path in script.files("docs").into_iter().step_by(3) {
        script.wait(15);
        script.edit(&path);
    }
    for at in 0..200 {
        let facts = script.fresh(40_000, Looks::KnownPacked);
        script.wait(15).put(&format!("docs/more/n{at}.pdf"), facts);
    }
}

fn mail(script: &mut Script) {
    script.by("imapd", 608, 1);
    for path in script.files("mail/cur") {
        script.wait(50);
        script.rename(&path, &format!("{path}:2,S"));
    }
}

fn editor(script: &mut Script) {
    script.by("vim", 609, 50);
    let files = script.files("docs");
    for at in 0..400 {
        let path = &files[at % 30];
        script.wait(40 * SECOND);
        script.edit(path);
        if at % 40 == 0 {
            script.remove(&files[100 + at / 40]);
        }
    }
}

fn database(script: &mut Script) {
    script.by("sqlite3", 610, 50);
    for _ in 0..300 {
        script.wait(3 * SECOND);
        script.edit("db/data.sqlite");
        let journal = script.fresh(4_096, Looks::Compressible);
        script.put("db/data.sqlite-journal", journal);
        script.wait(6 * SECOND).remove("db/data.sqlite-journal");
    }
}

fn compaction(script: &mut Script) {
    script.by("rocksd", 611, 1);
    let mut next = 1_000;
    for _ in 0..8 {
        for path in script
            .files("db")
            .into_iter()
            .filter(|path| path.ends_with("sst"))
            .take(12)
        {
            script.remove(&path);
        }
        for _ in 0..10 {
            let facts = script.fresh(2_000_000, Looks::Compressible);
            script.put(&format!("db/{next:06}.sst"), facts);
            next += 1;
        }
        script.wait(3 * MINUTE);
    }
}

fn chown(script: &mut Script) {
    script.by("chown", 612, 50);
    for path in script.files("work/app/src") {
        let facts = script.facts(&path);
        script.wait(2).put(
            &path,
            Facts {
                metadata: facts.metadata + 1_000_000,
                ..facts
            },
        );
    }
}

fn gpg_letters(script: &mut Script) {
    script.by("gpg", 613, 50);
    for path in script.files("docs").into_iter().take(3) {
        let facts = script.fresh(9_000, Looks::Random);
        script.wait(9 * SECOND).put(&format!("{path}.gpg"), facts);
        script.remove(&path);
    }
}

fn sed(script: &mut Script) {
    script.by("sed", 614, 50);
    for path in script.files("docs") {
        script.wait(2);
        script.edit(&path);
    }
}

fn our_restore(script: &mut Script) {
    script.by("recoup", 615, 50);
    script.actors.last_mut().unwrap().ours = true;
    script.remove_all("docs", 5);
    for path in script.files("photos") {
        let facts = script.fresh(9_000, Looks::Random);
        script.wait(2).put(&path, facts);
    }
}
