//! How a tracer lets us know that it sees us.
//!
//! A tracer says that it "attaches" before it has. So we make a harmless system call, the *mark*,
//! again and again until the tracer reports having seen it: then every probe is in place, because
//! the probe that reports the mark is the last one attached.

/// First argument of the mark: getpriority(2) answers EINVAL to it and does nothing.
pub const MARK: u32 = 0x696f_6265;

/// Number of getpriority(2).
pub const MARK_CALL: i64 = libc::SYS_getpriority;

/// What a tracer prints when it sees the mark.
pub const ATTACHED: &str = "iobench: attached";

/// Makes the mark once.
pub fn mark() {
    // SAFETY: getpriority takes two integers.
    unsafe { libc::syscall(MARK_CALL, MARK, 0) };
}
