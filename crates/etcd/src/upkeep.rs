//! Looking after an etcd: how its members are, compaction, leases.

use crate::client::Client;
use crate::connection::Call;
use crate::error::EtcdError;
use crate::wire::{
    CompactRequest, CompactResponse, LeaseGrantRequest, LeaseGrantResponse, LeaseRevokeRequest,
    LeaseRevokeResponse,
};
use crate::wire_watch::{HashKvRequest, HashKvResponse, StatusRequest, StatusResponse};

const COMPACT: &str = "/etcdserverpb.KV/Compact";
const LEASE_GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
const LEASE_REVOKE: &str = "/etcdserverpb.Lease/LeaseRevoke";
const STATUS: &str = "/etcdserverpb.Maintenance/Status";
const HASH_KV: &str = "/etcdserverpb.Maintenance/HashKV";

/// What a member says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The endpoint that was asked, as `host:port`.
    pub endpoint: String,
    /// Version of the server, as `3.4.23`.
    pub version: String,
    /// Id of the cluster.
    pub cluster: u64,
    /// Id of this member.
    pub member: u64,
    /// Id of the member that leads, 0 if none does.
    pub leader: u64,
    /// Revision that this member has reached.
    pub revision: i64,
    /// Size of its database file, in bytes.
    pub db_bytes: u64,
    /// How much of it is in use, in bytes.
    pub db_bytes_in_use: u64,
}

/// A hash over every key up to a revision: equal on members that hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysHash {
    /// The hash.
    pub hash: u32,
    /// It only means the same as another one of the same compacted revision.
    pub compact_revision: i64,
}

impl Client {
    /// Makes the store forget what was before this revision, and waits until it has.
    pub fn compact(&self, revision: i64) -> Result<(), EtcdError> {
        let physical = true;
        let question = CompactRequest { revision, physical };
        let _: CompactResponse = self.call_once(COMPACT, &question)?;
        Ok(())
    }

    /// A new lease that lives so many seconds; gives its id.
    pub fn grant_lease(&self, seconds: i64) -> Result<i64, EtcdError> {
        let question = LeaseGrantRequest {
            ttl: seconds,
            id: 0,
        };
        let answer: LeaseGrantResponse = self.call_once(LEASE_GRANT, &question)?;
        Ok(answer.id)
    }

    /// Ends a lease, and with it the keys that are bound to it.
    pub fn revoke_lease(&self, id: i64) -> Result<(), EtcdError> {
        let question = LeaseRevokeRequest { id };
        let _: LeaseRevokeResponse = self.call_once(LEASE_REVOKE, &question)?;
        Ok(())
    }

    /// What each member of the address says about itself, in the order of the address; asked once each.
    pub fn status(&self) -> Vec<Result<Status, EtcdError>> {
        let members = self.members();
        let ask = |at: usize| {
            let question = StatusRequest {};
            let call = Call::new(STATUS, &question);
            let answer: StatusResponse = self
                .wait(members.try_once(at, &call))
                .map_err(|(error, _)| members.with_names(error))?;
            members.check(answer.header.as_ref())?;
            let header = answer.header.unwrap_or_default();
            Ok(Status {
                endpoint: members.name(at),
                version: answer.version,
                cluster: header.cluster_id,
                member: header.member_id,
                leader: answer.leader,
                revision: header.revision,
                db_bytes: u64::try_from(answer.db_bytes).unwrap_or(0),
                db_bytes_in_use: u64::try_from(answer.db_bytes_in_use).unwrap_or(0),
            })
        };
        (0..members.len()).map(ask).collect()
    }

    /// A hash over every key up to this revision, computed by one member; reads its whole database.
    pub fn hash_kv(&self, revision: i64) -> Result<KeysHash, EtcdError> {
        let question = HashKvRequest { revision };
        let mut call = Call::new(HASH_KV, &question);
        call.revision = revision;
        let answer: HashKvResponse = self.call(&call)?;
        self.members().check(answer.header.as_ref())?;
        let (hash, compact_revision) = (answer.hash, answer.compact_revision);
        Ok(KeysHash {
            hash,
            compact_revision,
        })
    }
}
