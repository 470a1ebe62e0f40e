//! Commands that set up devices and mounts, and their undoing.

use std::process::Command;

/// Commands that undo the setup. They run in reverse order, even if the test fails.
#[derive(Default)]
pub(crate) struct Undo(Vec<Vec<String>>);

impl Undo {
    /// Adds a command.
    pub(crate) fn push(&mut self, command: &[&str]) {
        self.0.push(command.iter().map(|&word| word.to_owned()).collect());
    }

    /// Runs the last command now.
    pub(crate) fn run_last(&mut self) {
        let command = self.0.pop().unwrap();
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        run(&words).unwrap();
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        while let Some(command) = self.0.pop() {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            if let Err(error) = run(&words) {
                eprintln!("clean-up: {error}");
            }
        }
    }
}

/// Runs a command and returns its standard output, or the error message if it fails.
pub(crate) fn run(words: &[&str]) -> Result<String, String> {
    let output =
        Command::new(words[0]).args(&words[1..]).output().map_err(|error| format!("{words:?}: {error}"))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{words:?}: {message}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
