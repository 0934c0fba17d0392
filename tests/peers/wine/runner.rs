//! Runs a Windows program and writes its exit status and its outputs to the files `status`, `stdout` and `stderr` of a
//! folder. Wine itself reports a wrong status, and prints messages of its own. The program gets pipes of Windows, because
//! Node.js cannot use those of Linux.
//!
//!     runner FOLDER PROGRAM ARGUMENT…          run a program
//!     runner --exit NUMBER                     end with this status
//!     runner --print ARGUMENT…                 print the arguments, one a line

use std::path::Path;
use std::process::{Command, Stdio};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (first, rest) = arguments.split_first().expect("no arguments");
    match first.as_str() {
        "--exit" => std::process::exit(rest[0].parse::<u32>().expect("a number").cast_signed()),
        "--print" => rest.iter().for_each(|argument| println!("{argument}")),
        folder => run(Path::new(folder), &rest[0], &rest[1..]),
    }
}

fn run(folder: &Path, program: &str, arguments: &[String]) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let status = output.status.code().expect("a status").to_string();
    for (name, content) in
        [("stdout", output.stdout), ("stderr", output.stderr), ("status", status.into_bytes())]
    {
        std::fs::write(folder.join(name), content).expect("a file of the result");
    }
}
