//! What a partition remembers of its producers: sequences against duplicates and gaps, epochs against zombies,
//! and which transactions are open (KIP-98).

mod append;
mod entry;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use append::ProducerAppend;
pub use append::{AppendOrigin, TxnVersion};
pub use entry::BatchMetadata;
pub(crate) use state::{CompletedTxn, ProducerStates, TxnStart};
pub use state::{ProducerInfo, ProducerStateConfig, VerificationGuard};
