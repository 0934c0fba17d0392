//! The last step of an applied run: the consumer's own program requests the identity that its server sees.

use std::pin::pin;
use std::time::Duration;

use crate::command::own_check::{Outcome, OwnCheck};
use crate::env::Env;
use crate::foreign_text::Message;
use crate::message;
use crate::runtime::block_on;

/// As long as an uncached run of the consumer and the server's answer may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(25);

pub(super) struct ServerCheck {
    pub(super) check: OwnCheck,
    /// The server as the beginning of a sentence: "The API server".
    pub(super) server: &'static str,
}

impl ServerCheck {
    /// Returns the result in words; `None` if the program is not installed. A failure is not an error: the files are
    /// written, and the server is often set up later by another person.
    pub(super) fn run(&self, env: &Env) -> Option<Message> {
        let mut outcome = Outcome::NotInstalled;
        let run = async {
            outcome = self.check.run(env, CHECK_TIMEOUT).await;
            Ok(())
        };
        // If the runtime cannot be started, the program is not run.
        let _ = block_on(pin!(run));
        let command = self.check.command();
        match outcome {
            Outcome::NotInstalled => None,
            Outcome::Accepted(accepted) => {
                Some(message!("It works. `{command}`: {}.\n", accepted.text, command))
            }
            Outcome::Refused(refusal) => Some(message!(
                "The files are written, but `{command}` fails: {}
  {}
{} is probably not set up yet: follow the instructions above, and try again.
",
                refusal.problem,
                refusal.hint,
                self.server,
                command
            )),
        }
    }
}
