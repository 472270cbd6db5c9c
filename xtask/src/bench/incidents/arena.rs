//! The place of one case: its tree, its repository, its home, and the scripts that run there.

use super::super::watch::Watch;
use super::benign::WORDS;
use super::simulator::MARK_NAME;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) struct Arena {
    pub(super) folder: PathBuf,
    pub(super) tree: PathBuf,
    recoup: PathBuf,
}

impl Arena {
    /// A fresh place with a copy of the tree.
    pub(super) fn open(folder: &Path, template: &Path, recoup: &Path) -> Result<Self> {
        super::super::tree::remove(folder)?;
        for name in ["work", "home"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let folder = folder.canonicalize()?;
        let tree = folder.join("tree");
        let status = Command::new("cp")
            .arg("-a")
            .args([template, &tree])
            .status()?;
        if !status.success() {
            bail!("copy the tree: {status}");
        }
        fs::write(folder.join(MARK_NAME), tree.display().to_string())?;
        Ok(Self {
            folder,
            tree,
            recoup: recoup.to_owned(),
        })
    }

    fn repository(&self) -> PathBuf {
        self.folder.join("repository")
    }

    /// Everything of the case lies in its folder: no case knows of another, nor of the user's own.
    fn at_home(&self, command: &mut Command) {
        let home = self.folder.join("home");
        // The toolchain is the user's own; only its settings and caches are not.
        let rustup = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
        let rustup = rustup.or_else(|| Some(std::env::home_dir()?.join(".rustup")));
        if let Some(rustup) = rustup {
            command.env("RUSTUP_HOME", rustup);
        }
        command
            .env("HOME", &home)
            .env("CARGO_HOME", home.join("cargo"))
            .env("CARGO_TARGET_DIR", "target")
            .env_remove("RUSTC_WRAPPER")
            .env("XDG_CONFIG_HOME", home.join("config"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("XDG_STATE_HOME", home.join("state"))
            .env("XDG_DATA_HOME", home.join("data"))
            .env("GNUPGHOME", &home);
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Somebody")
                .env(format!("GIT_{role}_EMAIL"), "somebody@example.org");
        }
    }

    pub(super) fn recoup(&self) -> Command {
        let mut command = Command::new(&self.recoup);
        self.at_home(&mut command);
        command.arg("--repo").arg(self.repository());
        command
    }

    /// The lines that a command of Recoup prints with `--json`; exit codes up to 8 (something is left
    /// open) are answers too.
    pub(super) fn lines(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let output = self.recoup().args(arguments).arg("--json").output()?;
        if !matches!(output.status.code(), Some(0 | 8)) {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!(
                "recoup {arguments:?}: {}: {}",
                output.status,
                complaint.trim()
            );
        }
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect())
    }

    /// `recoup watch` on the tree, ready.
    pub(super) fn watch(&self) -> Result<Watch> {
        self.lines(&["init"])?;
        let mut command = self.recoup();
        command.arg("watch").arg(&self.tree);
        command.args(["--json", "--every", "1"]);
        Watch::start(command, &self.folder.join("watch.txt"))
    }

    fn bash(&self, script: &str) -> Result<Command> {
        let mut command = Command::new("bash");
        self.at_home(&mut command);
        command
            .arg("-c")
            .arg(format!("set -eu\n{WORDS}\n{script}"))
            .current_dir(&self.tree)
            .env("TREE", &self.tree)
            .env("WORK", self.folder.join("work"))
            .env("MARK", self.mark())
            .env("REPO", self.repository())
            .env("RECOUP", &self.recoup)
            .env("XTASK", std::env::current_exe()?)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        Ok(command)
    }

    /// Runs a script to its end.
    pub(super) fn script(&self, script: &str) -> Result<()> {
        let complaints = self.folder.join("script.txt");
        let status = self
            .bash(script)?
            .stderr(File::create(&complaints)?)
            .status()?;
        if !status.success() {
            let complaint = fs::read_to_string(&complaints).unwrap_or_default();
            bail!("{script}: {status}: {}", complaint.trim());
        }
        Ok(())
    }

    /// Somebody who goes on working at the desk until the file `work/end` is there.
    pub(super) fn bystander(&self) -> Result<std::process::Child> {
        let script = r#"n=0; while [ ! -e "$WORK/end" ]; do n=$((n + 1)); echo "line $n" >>desk/draft-0$((n % 10)).txt; echo "new $n" >desk/new-$n.txt; [ $((n % 9)) = 8 ] && rm -f desk/new-$((n - 5)).txt; sleep 0.3; done; true"#;
        Ok(self.bash(script)?.stderr(Stdio::null()).spawn()?)
    }

    pub(super) fn send_bystander_home(&self, mut child: std::process::Child) -> Result<()> {
        fs::write(self.folder.join("work/end"), "")?;
        child.wait()?;
        Ok(())
    }

    fn mark(&self) -> PathBuf {
        self.folder.join("work/mark")
    }

    /// When the attack began, in seconds since 1970, and its process; 0 if there were several.
    pub(super) fn struck(&self) -> Result<(f64, u64)> {
        let text = fs::read_to_string(self.mark()).context("the attack left no mark")?;
        let mut words = text.split_whitespace();
        let mut word = || words.next().and_then(|word| word.parse::<u64>().ok());
        let nanos = word().context("no time in the mark")?;
        Ok((nanos as f64 / 1e9, word().unwrap_or(0)))
    }
}
