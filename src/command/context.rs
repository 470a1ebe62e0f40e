//! What every command is given beside its arguments.

use crate::engine::strategy::Strategy;

/// What every command is given beside its arguments.
pub(crate) struct Context<'a> {
    /// The command line.
    pub(crate) argv: &'a [String],
    /// The registered strategies.
    pub(crate) strategies: &'a [&'static dyn Strategy],
}
