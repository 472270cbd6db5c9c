//! Honest work that looks like damage, played by the real programs. `prepare` runs before anybody
//! watches, `work` while `recoup watch` does. `$TREE` is watched, `$WORK` lies beside it.

#[derive(Clone, Copy)]
pub(super) struct Benign {
    pub(super) name: &'static str,
    /// Programs without which the case is left out.
    pub(super) needs: &'static [&'static str],
    pub(super) prepare: &'static str,
    pub(super) work: &'static str,
    /// Part of the quick form.
    pub(super) quick: bool,
}

const fn case(
    name: &'static str,
    needs: &'static [&'static str],
    prepare: &'static str,
    work: &'static str,
) -> Benign {
    Benign {
        name,
        needs,
        prepare,
        work,
        quick: false,
    }
}

const fn quick(case: Benign) -> Benign {
    Benign {
        quick: true,
        ..case
    }
}

pub(super) const BENIGN: &[Benign] = &[
    case(
        "git clone",
        &["git"],
        r#"make_git "$WORK/origin""#,
        r#"git clone -q "$WORK/origin" "$TREE/projects/clone""#,
    ),
    quick(case(
        "git checkout, 12 commits",
        &["git"],
        r#"make_git "$TREE/projects/repo""#,
        r#"cd "$TREE/projects/repo"; for i in 3 14 5 16 7 18 2 11 9 13 1 19; do git checkout -q "c$i"; sleep 0.4; done; git checkout -q main"#,
    )),
    case(
        "git rebase",
        &["git"],
        r#"make_git "$TREE/projects/repo"; cd "$TREE/projects/repo"; git checkout -q -b side c10; for i in 1 2 3 4 5 6; do fill 40 side$i; git add -A; git commit -qm "side $i"; done"#,
        r#"cd "$TREE/projects/repo"; git rebase -q main"#,
    ),
    case(
        "git gc",
        &["git"],
        r#"make_git "$TREE/projects/repo""#,
        r#"cd "$TREE/projects/repo"; git gc -q --prune=now"#,
    ),
    case(
        "git branch removed, clean",
        &["git"],
        r#"make_git "$TREE/projects/repo"; cd "$TREE/projects/repo"; mkdir out; echo out/ >.gitignore; git add .gitignore; git commit -qm ignore; for i in $(seq 120); do head -c 3000 /dev/urandom >out/$i.o; done"#,
        r#"cd "$TREE/projects/repo"; git clean -qfdX; git stash -q || true; git checkout -q c5; git branch -qD main || true"#,
    ),
    case(
        "cargo build, clean",
        &["cargo"],
        r#"cd "$TREE/projects"; mkdir -p tiny/src; printf '[package]\nname = "tiny"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n' >tiny/Cargo.toml; echo >tiny/src/lib.rs; for i in $(seq 30); do echo "pub fn f$i() -> u32 { $i }" >tiny/src/m$i.rs; echo "pub mod m$i;" >>tiny/src/lib.rs; done"#,
        r#"cd "$TREE/projects/tiny"; cargo build -q --offline; sleep 2; cargo clean -q"#,
    ),
    quick(case(
        "npm ci, rm -rf node_modules",
        &["npm", "node"],
        r#"make_npm "$TREE/projects/web""#,
        r#"cd "$TREE/projects/web"; npm ci --offline --silent; sleep 2; npm ci --offline --silent; sleep 2; rm -rf node_modules"#,
    )),
    case(
        "make, rm -rf build",
        &["make", "gcc"],
        r#"make_c "$TREE/projects/c""#,
        r#"cd "$TREE/projects/c"; make -s -j2; sleep 2; rm -rf build; make -s -j2; sleep 2; rm -rf build"#,
    ),
    case(
        "find -name '*.o' -delete",
        &["gcc"],
        r#"make_c "$TREE/projects/c"; cd "$TREE/projects/c"; for f in *.c; do gcc -c $f -o ${f%.c}.o; done"#,
        r#"find "$TREE/projects/c" -name '*.o' -delete"#,
    ),
    case(
        "make clean in the sources",
        &["make", "gcc"],
        r#"make_c "$TREE/projects/c"; cd "$TREE/projects/c"; sed -i s,build/,, Makefile; make -s in-place"#,
        r#"cd "$TREE/projects/c"; make -s clean"#,
    ),
    case(
        "tar x",
        &["tar"],
        r#"tar -C "$TREE" -cf "$WORK/all.tar" mail projects data"#,
        r#"mkdir "$TREE/unpacked"; tar -C "$TREE/unpacked" -xf "$WORK/all.tar""#,
    ),
    case(
        "tar c, zip",
        &["tar", "zip"],
        "",
        r#"cd "$TREE"; tar -czf data/all.tar.gz documents mail; zip -qr data/all.zip projects; zip -qr data/all.zip documents"#,
    ),
    quick(case(
        "log rotation, gzip",
        &["gzip"],
        r#"cd "$TREE/logs"; for f in */*.log; do for i in 2 3 4; do head -c 9000 $f | gzip >$f.$i.gz; done; cp $f $f.1; done"#,
        r#"cd "$TREE/logs"; for f in */*.log; do rm -f $f.4.gz; mv $f.3.gz $f.4.gz; mv $f.2.gz $f.3.gz; gzip $f.1; mv $f.1.gz $f.2.gz; mv $f $f.1; echo started >$f; done"#,
    )),
    case(
        "gzip of old logs",
        &["gzip"],
        "",
        r#"gzip "$TREE"/logs/*/*.log"#,
    ),
    case(
        "gpg -c to new files",
        &["gpg"],
        "",
        r#"for f in "$TREE"/documents/office/00/*; do gpg --batch -q --passphrase x -c -o "$f.gpg" "$f"; done"#,
    ),
    case(
        "rsync update",
        &["rsync"],
        r#"cp -a "$TREE/data" "$WORK/data"; for f in "$WORK"/data/measured/*/*.csv; do echo 1,2,x >>"$f"; done"#,
        r#"rsync -a --delete "$WORK/data/" "$TREE/data/""#,
    ),
    case(
        "cp -a over a copy",
        &["cp"],
        r#"cp -a "$TREE/data" "$WORK/data"; for f in "$WORK"/data/measured/*/*.csv; do echo 1,2,x >>"$f"; done"#,
        r#"cp -a "$WORK/data/." "$TREE/data/""#,
    ),
    case(
        "photo import",
        &["cp"],
        r#"mkdir "$WORK/card"; for i in $(seq 300); do (printf '\xff\xd8\xff\xe0\x00\x10JFIF'; head -c 20000 /dev/urandom) >"$WORK/card/IMG_$i.jpg"; done"#,
        r#"mkdir -p "$TREE/pictures/2024-06"; cp "$WORK"/card/*.jpg "$TREE/pictures/2024-06/""#,
    ),
    case(
        "editor saves",
        &[],
        "",
        r#"cd "$TREE/documents/letters"; for round in 1 2 3; do for f in 00/*.txt 01/*.txt; do (cat "$f"; echo "another line $round") >"${f%/*}/.save.tmp"; mv "${f%/*}/.save.tmp" "$f"; done; sleep 1; done"#,
    ),
    quick(case(
        "sed -i over many files",
        &["sed"],
        "",
        r#"find "$TREE/projects" -type f | xargs sed -i s/balance/equilibrium/g"#,
    )),
    case(
        "formatter over all sources",
        &["python3"],
        "",
        r#"python3 -c 'import sys; [open(p, "w").write("".join(l.rstrip().replace(" ", "  ") + "\n" for l in t.splitlines())) for p in sys.argv[1:] for t in [open(p).read()]]' $(find "$TREE/projects" -type f)"#,
    ),
    case(
        "SQLite load",
        &["sqlite3"],
        r#"sqlite3 "$TREE/data/app.sqlite" "create table t(a integer primary key, b text); with recursive n(x) as (select 1 union all select x+1 from n where x<20000) insert into t select x, hex(randomblob(20)) from n;""#,
        r#"for i in $(seq 20); do sqlite3 "$TREE/data/app.sqlite" "update t set b=hex(randomblob(20)) where a%20=$i; delete from t where a%97=$i;"; sleep 0.2; done; sqlite3 "$TREE/data/app.sqlite" vacuum"#,
    ),
    case(
        "Python venv, made and removed",
        &["python3"],
        "",
        r#"cd "$TREE/projects"; python3 -m venv venv; sleep 2; rm -rf venv"#,
    ),
    case(
        "package upgrade",
        &["dpkg-deb"],
        r#"make_deb 1; make_deb 2; mkdir "$TREE/system"; dpkg-deb -x "$WORK/p1.deb" "$TREE/system""#,
        r#"dpkg-deb -x "$WORK/p2.deb" "$TREE/system""#,
    ),
    case(
        "directories moved",
        &[],
        "",
        r#"cd "$TREE"; mkdir old; mv documents/letters old/; mv pictures old/bilder; mv mail/inbox mail/archive; mv projects/tools projects/scripts"#,
    ),
    case(
        "chmod of a few scripts",
        &[],
        "",
        r#"chmod -R u+x "$TREE/projects/tools/00" "$TREE/projects/tools/01""#,
    ),
    case(
        "restore by Recoup",
        &[],
        "",
        r#"recoup restore latest:documents --to "$TREE/restored" -y; cd "$TREE/restored"; ls >/dev/null"#,
    ),
    quick(case(
        "undo by Recoup",
        &[],
        "",
        r#"sed -i s/balance/equilibrium/g "$TREE"/documents/letters/0[0-4]/*.txt; sleep 4; recoup undo "$TREE" --since latest --yes || test $? = 8"#,
    )),
    case(
        "appends by 20 processes",
        &[],
        "",
        r#"cd "$TREE/logs"; for i in $(seq 20); do (for n in $(seq 40); do for f in 00/*.log; do echo "$i $n appended" >>"$f"; done; sleep 0.05; done) & done; wait"#,
    ),
    case(
        "pictures edited",
        &["python3"],
        "",
        r#"python3 -c 'import sys, os; [open(p, "r+b").write(open(p, "rb").read()[:20] + os.urandom(9000 + n)) for n, p in enumerate(sys.argv[1:])]' $(ls "$TREE"/pictures/camera/00/*.jpg)"#,
    ),
    case(
        "Python caches come and go",
        &["python3"],
        "",
        r#"cd "$TREE/projects/tools"; mkdir -p lib; for i in $(seq 120); do echo "x = $i" >lib/m$i.py; done; for round in 1 2 3; do python3 -m compileall -q lib; sleep 1; find . -name __pycache__ -exec rm -r {} +; done"#,
    ),
    case(
        "downloads tidied",
        &[],
        r#"mkdir "$TREE/downloads"; for i in $(seq 30); do head -c 4000 /dev/urandom >"$TREE/downloads/f$i.bin"; done"#,
        r#"rm "$TREE"/downloads/f1*.bin"#,
    ),
    case(
        "sorting into folders by hand",
        &[],
        "",
        r#"cd "$TREE/pictures/camera"; for f in */*.jpg; do mkdir -p ../sorted/${f:3:1}; mv "$f" ../sorted/${f:3:1}/; done"#,
    ),
    case(
        "certificates renewed",
        &["openssl"],
        r#"mkdir "$TREE/data/keys"; cd "$TREE/data/keys"; for i in $(seq 30); do openssl rand -base64 1200 >k$i.pem; done"#,
        r#"cd "$TREE/data/keys"; for i in $(seq 30); do openssl rand -base64 1200 >k$i.pem; done"#,
    ),
];

/// Words that the scripts share. All that they make is text of many lines, generated.
pub(super) const WORDS: &str = r##"
fill() { for n in $(seq $1); do printf '%s line\n' "$2-$n" "$2" "$n" "more of $2" "and $RANDOM" >"file-$2-$((n % 97)).txt"; done; }
make_git() { git init -q -b main "$1"; cd "$1"; for c in $(seq 20); do fill 60 "$((c % 5))"; fill 20 "only$c"; rm -f file-only$((c - 3))-*; git add -A; git commit -qm "commit $c"; git tag "c$c"; done; cd "$TREE"; }
make_npm() { mkdir -p "$1"; deps=; for p in $(seq 8); do d="$WORK/npm/p$p/package"; mkdir -p "$d/lib"; for i in $(seq 90); do echo "module.exports = () => 'p$p $i';" >"$d/lib/m$i.js"; done; echo "{\"name\":\"p$p\",\"version\":\"1.0.0\"}" >"$d/package.json"; tar -C "$WORK/npm/p$p" -czf "$1/p$p.tgz" package; deps="$deps,\"p$p\":\"file:p$p.tgz\""; done; echo "{\"name\":\"web\",\"version\":\"1.0.0\",\"dependencies\":{${deps#,}}}" >"$1/package.json"; (cd "$1"; npm install --offline --silent --package-lock-only; rm -rf node_modules); }
make_c() { mkdir -p "$1"; cd "$1"; for i in $(seq 80); do echo "int f$i(int x) { return x * $i; }" >f$i.c; done; printf 'O=$(patsubst %%.c,build/%%.o,$(wildcard *.c))\nall: build $O\nbuild:\n\tmkdir build\nbuild/%%.o: %%.c\n\tgcc -O1 -c $< -o $@\nin-place: $O\n%%.o: %%.c\n\tgcc -O1 -c $< -o $@\nclean:\n\trm -f *.o\n' >Makefile; cd "$TREE"; }
make_deb() { d="$WORK/deb$1"; mkdir -p "$d/DEBIAN" "$d/usr/share/thing"; printf 'Package: thing\nVersion: %s\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' $1 >"$d/DEBIAN/control"; for i in $(seq 400); do echo "version $1 of file $i" >"$d/usr/share/thing/$i.txt"; done; dpkg-deb -b "$d" "$WORK/p$1.deb" >/dev/null; }
recoup() { "$RECOUP" --repo "$REPO" "$@"; }
simulate() { "$XTASK" bench simulate "$@" --tree "$TREE"; }
note() { date +%s%N >"$MARK"; echo 0 >>"$MARK"; }
strike() { (exec bash -c 'date +%s%N >"$MARK"; echo $$ >>"$MARK"; exec "$@"' - "$@"); }
sim() { strike "$XTASK" bench simulate "$@" --tree "$TREE"; }
"##;
