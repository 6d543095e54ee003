//! What every kernel program needs: fields at offsets that are known on the host, slots, cells, blocks, the ledger.
//!
//! - *Takes*: a hook's context.
//! - *Gives*: map writes.
//! - *Never*: a domain's meaning.

pub mod atomic;
pub mod cells;
pub mod constants;
pub mod field;
pub mod host;
pub mod ledger;
pub mod slots;
pub mod task_storage;
