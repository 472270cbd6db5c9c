//! `recoup watch` from outside: what it says is durable is there, whatever happens to it.

mod schema;
mod watching;
mod home;
mod exact;
mod kills;
mod troubles;
mod contract;
mod roots;
mod stops;
mod alarms;
mod telling;
