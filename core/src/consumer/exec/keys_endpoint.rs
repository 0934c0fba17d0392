//! The endpoint of `--aws --serve`: the keys of a role on loopback, for the AWS SDKs in a command.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use crate::clock::Clock;
use crate::consumer::kept_document::Memory;
use crate::endpoint::{self, Answer, Endpoint, Listen, Secret, Service, Socket, StatusCode};
use crate::env::{self, Env};
use crate::error::Result;
use crate::runtime::task;

/// The source of its answers.
struct Keys {
    memory: Arc<Memory>,
    clock: Clock,
}

impl Service for Keys {
    fn page(&self, path: &str, _: &str) -> Answer {
        if path != "/" {
            return Answer::error(StatusCode::NOT_FOUND, "there is no such page");
        }
        let keys = self.memory.read(self.clock.now());
        keys.map_or_else(Answer::no_credential, |keys| Answer::json(String::from_utf8_lossy(&keys)))
    }
}

/// Serves the keys on a free port while the runtime exists, and returns the address.
pub(super) fn serve(memory: Arc<Memory>, secret: Arc<Secret>, clock: Clock) -> Result<String> {
    let (socket, address) = Socket::at_free_port()?;
    let name = Listen::Tcp(address).shown();
    let service = Box::new(Keys { memory, clock });
    let endpoint = Endpoint { name, secret: Some(secret), clock, service };
    tokio::spawn(task(endpoint::serve(endpoint, &socket, std::future::pending())?));
    Ok(format!("http://{address}/"))
}

/// Makes the programs of a command connect to the endpoint without a proxy. Some SDKs would use one.
pub(super) fn reach_without_proxy(env: &Env, command: &mut Command) {
    let lists = [env::NO_PROXY, env::NO_PROXY_LOWER];
    for (var, other) in [(lists[0], lists[1]), (lists[1], lists[0])] {
        let list = match env.get(var).or_else(|| env.get(other)) {
            // `*` matches all hosts only if it is the whole list.
            Some(list) if list.trim() == "*" => list,
            Some(list) => format!("{list},{}", Ipv4Addr::LOCALHOST),
            None => Ipv4Addr::LOCALHOST.to_string(),
        };
        command.env(var.name, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_added_to_no_proxy() {
        let lists = |variables: &[(&'static str, &str)]| {
            let variables = variables.iter().map(|(name, value)| (*name, (*value).to_owned()));
            let mut command = Command::new("true");
            reach_without_proxy(&Env::Fake(variables.collect()), &mut command);
            let value = |name: &str| {
                let mut found = command.get_envs().filter(|(other, _)| *other == name);
                found.next().unwrap().1.unwrap().to_str().unwrap().to_owned()
            };
            [value("NO_PROXY"), value("no_proxy")]
        };
        assert_eq!(lists(&[]), ["127.0.0.1", "127.0.0.1"]);
        assert_eq!(lists(&[("NO_PROXY", "a,b")]), ["a,b,127.0.0.1", "a,b,127.0.0.1"]);
        assert_eq!(lists(&[("NO_PROXY", "a"), ("no_proxy", "b")]), ["a,127.0.0.1", "b,127.0.0.1"]);
        assert_eq!(lists(&[("no_proxy", "*")]), ["*", "*"]);
    }
}
