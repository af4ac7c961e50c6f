//! The tables of a finished state machine.

/// The flag of a state in which an output may end.
pub const ACCEPTING: u32 = 1;
/// The flag of a state behind an end-of-sequence token.
pub const STOPPED: u32 = 2;

/// The tables from which everything else follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The fingerprint of the vocabulary that they are for.
    pub vocabulary: u64,
    pub classes: u32,
    pub token_classes: Box<[u32]>,
    pub flags: Box<[u32]>,
    pub row_starts: Box<[u32]>,
    pub edge_classes: Box<[u32]>,
    pub edge_targets: Box<[u32]>,
}
