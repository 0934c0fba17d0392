//! An X11 display without a screen, and a simulated user who answers the windows of keyrings.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Killed;
use crate::sandbox::{Sandbox, eventually};

/// The display, which the programs of a sandbox use.
pub struct Display(#[expect(dead_code, reason = "it ends with this")] Killed);

impl Display {
    pub fn start(sandbox: &mut Sandbox) -> Self {
        let mut server = sandbox.other_command("Xvfb");
        // It chooses a free number, and prints it once it is ready.
        server.args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1280x1024x24"]);
        let mut server =
            Killed(server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let mut number = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut number).unwrap();
        sandbox.set("DISPLAY", format!(":{}", number.trim()));
        Self(server)
    }
}

/// Whether a window with this text in its title is shown.
pub fn is_shown(sandbox: &Sandbox, title: &str) -> bool {
    let mut search = sandbox.other_command("xdotool");
    search.args(["search", "--onlyvisible", "--name", title]);
    search.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

/// Sends keys to the window with this title, if it is shown.
pub fn press(sandbox: &Sandbox, title: &str, keys: &[&str]) {
    let mut press = sandbox.other_command("xdotool");
    press.args(["search", "--onlyvisible", "--name", title, "windowfocus", "--sync", "key"]);
    press.args(keys).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
}

/// Presses a key in each window with this title, and waits until they are closed.
pub fn close(sandbox: &Sandbox, title: &str, key: &str) {
    eventually("the window is closed", || {
        press(sandbox, title, &[key]);
        !is_shown(sandbox, title)
    });
}

/// A simulated user who presses keys in every window with a certain title.
pub struct Person {
    is_gone: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Person {
    pub fn who_presses(sandbox: &Sandbox, title: &'static str, keys: &'static [&str]) -> Self {
        let is_gone = Arc::new(AtomicBool::new(false));
        let its = Arc::clone(&is_gone);
        let mut person = sandbox.other_command("xdotool");
        person.args(["search", "--onlyvisible", "--name", title, "windowfocus", "key"]).args(keys);
        person.stdout(Stdio::null()).stderr(Stdio::null());
        let thread = std::thread::spawn(move || {
            while !its.load(Ordering::Relaxed) {
                person.status().unwrap();
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self { is_gone, thread: Some(thread) }
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}
