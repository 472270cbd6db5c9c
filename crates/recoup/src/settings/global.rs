//! Flags that every command understands.

use std::path::PathBuf;

use clap::Args;

const HEADING: &str = "Everywhere";

const ETCD: &str = "For etcd://";

/// Flags that every command understands.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Global {
    /// Where the repository is [env: RECOUP_REPO]
    #[arg(long, value_name = "PATH", global = true, help_heading = HEADING)]
    pub(crate) repo: Option<String>,
    /// Write JSON lines for scripts
    #[arg(long, global = true, help_heading = HEADING)]
    pub(crate) json: bool,
    /// Say only what is asked for and what went wrong
    #[arg(long, short, global = true, help_heading = HEADING)]
    pub(crate) quiet: bool,
    /// Use no colours [env: NO_COLOR]
    #[arg(long, global = true, help_heading = HEADING)]
    pub(crate) no_color: bool,
    /// Answer questions with yes
    #[arg(long, short = 'y', global = true, help_heading = HEADING)]
    pub(crate) yes: bool,
    /// Read the password from the first line of a file [env: RECOUP_PASSWORD_FILE; the password
    /// itself: RECOUP_PASSWORD]
    #[arg(long, value_name = "FILE", global = true, help_heading = HEADING)]
    pub(crate) password_file: Option<PathBuf>,
    /// Read the password from the output of a command [env: RECOUP_PASSWORD_COMMAND]
    #[arg(long, value_name = "COMMAND", global = true, help_heading = HEADING)]
    pub(crate) password_command: Option<String>,
    /// Open the repository with a key file [env: RECOUP_KEY_FILE]
    #[arg(long, value_name = "FILE", global = true, help_heading = HEADING)]
    pub(crate) key_file: Option<PathBuf>,
    /// How many threads work [env: RECOUP_THREADS]
    #[arg(long, value_name = "N", global = true, help_heading = HEADING)]
    pub(crate) threads: Option<usize>,
    /// Where the change cache is kept [env: RECOUP_CACHE_DIR]
    #[arg(long, value_name = "DIR", global = true, help_heading = HEADING)]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Use no change cache: every file is read
    #[arg(long, global = true, help_heading = HEADING)]
    pub(crate) no_cache: bool,
    /// User of an etcd; the password: RECOUP_ETCD_PASSWORD [env: RECOUP_ETCD_USER]
    #[arg(long, value_name = "NAME", global = true, help_heading = ETCD)]
    pub(crate) etcd_user: Option<String>,
    /// Read the password of that user from the first line of a file [env: RECOUP_ETCD_PASSWORD_FILE]
    #[arg(long, value_name = "FILE", global = true, help_heading = ETCD)]
    pub(crate) etcd_password_file: Option<PathBuf>,
    /// Encrypt, and trust what this authority signed: certificates as PEM [env: RECOUP_ETCD_CA]
    #[arg(long, value_name = "FILE", global = true, help_heading = ETCD)]
    pub(crate) etcd_ca: Option<PathBuf>,
    /// Show this certificate, as PEM [env: RECOUP_ETCD_CERT]
    #[arg(long, value_name = "FILE", global = true, help_heading = ETCD)]
    pub(crate) etcd_cert: Option<PathBuf>,
    /// The key of that certificate, as PEM [env: RECOUP_ETCD_KEY]
    #[arg(long, value_name = "FILE", global = true, help_heading = ETCD)]
    pub(crate) etcd_key: Option<PathBuf>,
    /// Use this config file [env: RECOUP_CONFIG]
    #[arg(long, value_name = "FILE", global = true, help_heading = HEADING)]
    pub(crate) config: Option<PathBuf>,
}
