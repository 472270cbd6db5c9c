//! The keys of a prefix as they were at one revision, page by page.
//!
//! The first page fixes the revision, all others are read at it, so the whole is one moment however long it
//! takes. The next page is fetched while the caller works on this one. Etcd limits pages by keys only, so
//! the number of keys follows the size of those seen last.

use tokio::task::JoinHandle;

use crate::address::range_of;
use crate::client::{Client, RANGE};
use crate::connection::Call;
use crate::error::EtcdError;
use crate::stride::Stride;
use crate::value::KeyValue;
use crate::wire::{RangeRequest, RangeResponse};

/// What a page should hold, in bytes; two of them are in memory at a time.
const PAGE_BYTES: usize = 4 << 20;

/// What a page may hold before it is asked for again with fewer keys: room for values that are suddenly
/// larger.
const PAGE_BYTES_MAX: usize = 64 << 20;

/// Keys of the first page, before any size is known: 1.5 GB if every value were as large as etcd takes,
/// which the limit above cuts off; usually half a megabyte.
const KEYS_FIRST: i64 = 1000;

/// Most keys of a page, however small they are.
const KEYS_MAX: i64 = 50_000;

/// What etcd and we hold of a key beside key and value: revisions and lengths.
const KEY_OVERHEAD_BYTES: usize = 48;

/// Some keys with their values, in key order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The revision at which all pages are read.
    pub revision: i64,
    /// The keys, in byte order; the last page may be empty.
    pub entries: Vec<KeyValue>,
}

/// The pages of a prefix; an error ends them.
#[derive(Debug)]
pub struct Pages {
    client: Client,
    question: RangeRequest,
    stride: Stride,
    ahead: Option<JoinHandle<Result<RangeResponse, EtcdError>>>,
    is_done: bool,
}

impl Client {
    /// Reads every key with this prefix at `revision`, or at the current one.
    pub fn pages(&self, prefix: &[u8], revision: Option<i64>) -> Pages {
        let (key, range_end) = range_of(prefix);
        let stride = Stride::new(range_end.clone());
        let question = RangeRequest {
            key,
            range_end,
            limit: KEYS_FIRST,
            revision: revision.unwrap_or(0),
            ..RangeRequest::default()
        };
        Pages {
            client: self.clone(),
            question,
            stride,
            ahead: None,
            is_done: false,
        }
    }
}

impl Pages {
    fn fetch(&self) -> JoinHandle<Result<RangeResponse, EtcdError>> {
        let members = self.client.members().clone();
        let question = self.question.clone();
        self.client.spawn(async move {
            let mut call = Call::new(RANGE, &question);
            call.revision = question.revision;
            call.answer_bytes_max = PAGE_BYTES_MAX;
            members.call(&call).await
        })
    }

    fn next_page(&mut self) -> Result<Page, EtcdError> {
        loop {
            let fetched = self.ahead.take().unwrap_or_else(|| self.fetch());
            let reason = "the work of reading a page ended before its time";
            let fetched = self.client.wait(fetched);
            match fetched.map_err(|_| EtcdError::Protocol { reason })? {
                Ok(answer) => {
                    let page = self.take(answer)?;
                    if self.is_done || !page.entries.is_empty() {
                        return Ok(page);
                    }
                }
                Err(EtcdError::TooLarge { .. }) if self.question.limit > 1 => {
                    self.question.limit = (self.question.limit / 4).max(1);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self, answer: RangeResponse) -> Result<Page, EtcdError> {
        let now = self.client.members().check(answer.header.as_ref())?;
        if self.question.revision == 0 {
            self.question.revision = now;
        }
        let entries: Vec<_> = answer.kvs.into_iter().map(KeyValue::from).collect();
        let ends = entries.first().zip(entries.last());
        let ends = ends.map(|(first, last)| (first.key.as_slice(), last.key.as_slice()));
        let limit = usize::try_from(self.question.limit).unwrap_or(usize::MAX);
        self.stride
            .learn(limit, usize::try_from(answer.count).unwrap_or(0), ends);
        if let (Some((_, last)), true) = (ends, answer.more) {
            // The smallest key after the last one.
            self.question.key = [last, &[0]].concat();
        } else if answer.more {
            let reason = "a page is empty although more keys follow";
            return Err(EtcdError::Protocol { reason });
        } else if self.stride.is_last(&self.question.range_end) {
            self.is_done = true;
        } else {
            self.question.key.clone_from(&self.question.range_end);
        }
        if !self.is_done {
            self.question.range_end = self.stride.end_after(&self.question.key);
            if !entries.is_empty() {
                self.question.limit = limit_after(&entries);
            }
            self.ahead = Some(self.fetch());
        }
        let revision = self.question.revision;
        Ok(Page { revision, entries })
    }
}

impl Iterator for Pages {
    type Item = Result<Page, EtcdError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let page = self.next_page();
        self.is_done |= page.is_err();
        Some(page)
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            ahead.abort();
        }
    }
}

/// How many keys like these fill a page.
fn limit_after(entries: &[KeyValue]) -> i64 {
    let bytes: usize = entries
        .iter()
        .map(|entry| entry.bytes() + KEY_OVERHEAD_BYTES)
        .sum();
    let each = (bytes / entries.len().max(1)).max(1);
    i64::try_from(PAGE_BYTES / each)
        .unwrap_or(KEYS_MAX)
        .clamp(1, KEYS_MAX)
}
