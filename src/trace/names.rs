//! Names of system calls.

/// The name of a system call from what a tracer prints: a name already, or a number of Linux, which
/// becomes `syscall_N` if it is unknown.
pub fn call_name(call: &str) -> String {
    let call = call.trim();
    let Ok(number) = call.parse() else { return call.to_owned() };
    syscalls::Sysno::new(number).map_or_else(|| format!("syscall_{number}"), |call| call.name().to_owned())
}
