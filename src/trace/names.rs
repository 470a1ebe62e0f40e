//! Names of system calls.

/// The name of a system call from its number as a tracer prints it; `syscall_N` if unknown.
pub fn call_name(number: &str) -> String {
    let number = number.trim();
    let known = number.parse().ok().and_then(syscalls::Sysno::new);
    known.map_or_else(|| format!("syscall_{number}"), |call| call.name().to_owned())
}
