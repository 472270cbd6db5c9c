//! The attacks, as scripts. `strike CMD` notes the time and becomes the attacker; `sim KIND` is
//! [`super::simulator`]. What is struck lies in `$TREE`, beside the desk of the bystander.

/// How fast an attack is: what is expected of the alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    Fast,
    Slow,
}

#[derive(Clone, Copy)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) script: &'static str,
    pub(super) pace: Pace,
    /// What the kernel calls the attacker: of a process of the simulator, the name of the harness.
    pub(super) comm: &'static str,
    /// One process did it all, and its number is known.
    pub(super) one_process: bool,
    /// Part of the quick form.
    pub(super) quick: bool,
}

const SIM: &str = "xtask";

const fn fast(name: &'static str, comm: &'static str, script: &'static str) -> Attack {
    Attack {
        name,
        script,
        pace: Pace::Fast,
        comm,
        one_process: true,
        quick: false,
    }
}

const fn quick(attack: Attack) -> Attack {
    Attack {
        quick: true,
        ..attack
    }
}

const fn slow(attack: Attack) -> Attack {
    Attack {
        pace: Pace::Slow,
        ..attack
    }
}

const fn many(attack: Attack) -> Attack {
    Attack {
        one_process: false,
        ..attack
    }
}

pub(super) const ATTACKS: &[Attack] = &[
    quick(fast("encrypt in place", SIM, "sim in-place")),
    fast("new file, old removed", SIM, "sim new-file"),
    quick(fast("new file and notes", SIM, "sim notes")),
    quick(fast("4 % of each file", SIM, "sim partial")),
    fast("every fourth block", SIM, "sim every-fourth-block"),
    fast("first 4 KiB", SIM, "sim head"),
    fast("Base64 of noise", SIM, "sim base64"),
    fast("forged times", SIM, "sim forged-times"),
    fast("new extension only", SIM, "sim renamed"),
    fast("random names only", SIM, "sim random-names"),
    fast("overwrite with zeros", SIM, "sim zeros"),
    fast("cut the tails", SIM, "sim cut"),
    fast("remove 6.8 % at random", SIM, "sim random-removed"),
    fast("remove, make again empty", SIM, "sim recreated"),
    fast(
        "flood of events, then remove",
        SIM,
        "sim flood-then-removed",
    ),
    slow(fast(
        "encrypt, 1 file a second",
        SIM,
        "sim in-place --step 40 --pause 10 --most 60",
    )),
    slow(fast(
        "remove, 1 file a second",
        SIM,
        "sim removed --step 3 --offset 1 --pause 10 --most 90",
    )),
    many(fast(
        "encrypt by 20 processes",
        SIM,
        "note; for i in $(seq 0 19); do simulate in-place --step 20 --offset $i & done; wait",
    )),
    quick(fast(
        "rm -rf",
        "rm",
        r#"strike rm -rf "$TREE/documents" "$TREE/pictures""#,
    )),
    fast(
        "rm -rf of all",
        "rm",
        r#"cd "$TREE"; strike rm -rf documents pictures mail projects data logs"#,
    ),
    fast(
        "find -delete",
        "find",
        r#"strike find "$TREE/projects" "$TREE/mail" -type f -delete"#,
    ),
    many(fast(
        "find -exec rm",
        "rm",
        r#"note; find "$TREE/pictures" -type f -exec rm {} ';'"#,
    )),
    fast(
        "truncate -s0",
        "truncate",
        r#"strike truncate -s0 $(find "$TREE/documents" -type f)"#,
    ),
    fast(
        "chmod -R 000",
        "chmod",
        r#"strike chmod -R 000 "$TREE/projects" "$TREE/mail""#,
    ),
    fast(
        "chmod -R 777",
        "chmod",
        r#"strike chmod -R 777 "$TREE/projects" "$TREE/mail""#,
    ),
    fast(
        "chown -R",
        "chown",
        r#"strike chown -R 12:12 "$TREE/projects" "$TREE/mail" "$TREE/data""#,
    ),
    fast(
        "shred -u",
        "shred",
        r#"strike shred -n1 -u $(find "$TREE/documents" -type f)"#,
    ),
    many(fast(
        "openssl, old removed",
        "openssl",
        r#"note; find "$TREE/documents" -type f | while read -r f; do openssl enc -aes-128-ctr -nosalt -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000 -in "$f" -out "$f.enc" && rm "$f"; done"#,
    )),
];
