//! The classic rebalance protocol: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

mod heartbeat;
mod join;
mod leave;
mod member;
mod rebalance;
mod replay;
mod state;
mod static_member;
mod sync;

pub(super) use join::{Joining, answer_join, with_protocol_for};
pub use member::{Member, Protocol};
pub use state::{ClassicGroup, ClassicState};
pub(super) use static_member::Replaced;
pub(super) use sync::Assigned;
