//! How soon a process number may be given out again.

/// Process numbers below this are not given out again (`RESERVED_PIDS` of the kernel).
const RESERVED_PIDS: u64 = 300;

/// How many processes were ever started, and which number was given out last: numbers are given out
/// in a circle, so this tells for how long one can't come up again.
#[derive(Debug, Default)]
pub(super) struct Forks {
    batch: u64,
    started: u64,
    last: u64,
    tasks: u64,
    most: u64,
}

impl Forks {
    /// How many were started so far; `u64::MAX` if the system doesn't say.
    pub(super) fn count(&mut self, batch: u64) -> u64 {
        self.read(batch);
        self.started
    }

    /// Until how many starts the number of this living process can't belong to another one.
    pub(super) fn safe_until(&mut self, pid: u32, batch: u64) -> u64 {
        self.read(batch);
        if self.most == 0 {
            return 0;
        }
        let ahead = (u64::from(pid) + 2 * self.most - self.last % self.most - 1) % self.most;
        // Numbers in use and reserved ones are passed over without a start.
        let starts = ahead.saturating_sub(self.tasks + RESERVED_PIDS);
        self.started.saturating_add(starts)
    }

    fn read(&mut self, batch: u64) {
        if self.batch == batch {
            return;
        }
        let read = || {
            let stat = std::fs::read_to_string("/proc/stat").ok()?;
            let started = stat
                .lines()
                .find_map(|line| line.strip_prefix("processes "))?;
            let load = std::fs::read_to_string("/proc/loadavg").ok()?;
            let (tasks, last) = parse_load(&load)?;
            let most = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok()?;
            Some((
                started.trim().parse().ok()?,
                last,
                tasks,
                most.trim().parse().ok()?,
            ))
        };
        self.batch = batch;
        (self.started, self.last, self.tasks, self.most) = read().unwrap_or((u64::MAX, 0, 0, 0));
    }
}

/// Number of tasks and last process number of a line `0.00 0.01 0.05 1/89 12345`.
fn parse_load(load: &str) -> Option<(u64, u64)> {
    let mut fields = load.split_ascii_whitespace();
    let (_, tasks) = fields.nth(3)?.split_once('/')?;
    Some((tasks.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_not_given_out_twice_within_a_round() {
        let mut forks = Forks {
            batch: 1,
            started: 1000,
            last: 500,
            tasks: 50,
            most: 32_768,
        };
        // Just started: nearly a whole round is ahead.
        assert_eq!(forks.safe_until(500, 1), 1000 + 32_767 - 350);
        assert_eq!(forks.safe_until(499, 1), 1000 + 32_766 - 350);
        // Started nearly a round ago: it may come next.
        assert_eq!(forks.safe_until(501, 1), 1000);
        assert_eq!(forks.safe_until(5501, 1), 1000 + 5000 - 350);
        let mut blind = Forks {
            batch: 1,
            started: u64::MAX,
            ..Forks::default()
        };
        assert!(blind.count(1) > blind.safe_until(7, 1));
    }

    #[test]
    fn the_line_of_the_load_is_read() {
        assert_eq!(parse_load("0.1 0.2 0.3 4/567 891\n"), Some((567, 891)));
    }
}
