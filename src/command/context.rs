//! The context of a command: the input that all commands share.

use crate::engine::strategy::Strategy;

/// The input that every command gets in addition to its own arguments.
pub(crate) struct Context<'a> {
    /// The command line.
    pub(crate) argv: &'a [String],
    /// The registered strategies.
    pub(crate) strategies: &'a [&'static dyn Strategy],
}
