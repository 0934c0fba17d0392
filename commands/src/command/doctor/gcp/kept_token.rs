//! A token that the agent keeps fresh for Google's libraries, in a file or at an address on loopback.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Found;
use crate::command::doctor::Checks;
use crate::command::doctor::report::Group;
use crate::consumer::CredentialFile;
use crate::error::{Error, Exit, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::jwt::Claims;
use crate::message;
use crate::private_file;
use crate::settings::AgentEndpoint;

/// The agent renews a token before this little of its lifetime is left.
const EXPIRES_SOON: Duration = Duration::from_secs(10 * 60);

/// A server on loopback accepts a connection at once.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

const START_AGENT: &str = "start `yc-id-token agent` as a service, and check its log";

/// Checks the token as a library would read it from the file.
pub(super) fn check_file(
    found: &Found,
    path: &Path,
    is_kept: bool,
    accepts: impl Fn(&str) -> bool,
    checks: &Checks<'_>,
    group: &mut Group<'_>,
) {
    let Found { place, file, .. } = found;
    let bad = |group: &mut Group<'_>, problem: Message, fix: Message| {
        group.bad(Exit::Configuration, message!("{place}: {problem}", place, problem), fix);
    };
    let keep = || -> Message {
        if is_kept {
            START_AGENT.into()
        } else {
            "let the agent renew it: `yc-id-token setup gcp --source=file`".into()
        }
    };
    let shown_path = shown(path);
    if !path.is_absolute() {
        let problem =
            message!("the path of its token file, {shown_path}, is not absolute", shown_path);
        return bad(group, problem, "write the full path".into());
    }
    let content = match private_file::read_plain(path, CredentialFile::LIMIT) {
        Ok(content) => Zeroizing::new(content),
        Err(cause) => {
            let error = Error::unreadable("its token file", path, cause);
            return bad(group, message!("{error}", error), keep());
        }
    };
    let text = Zeroizing::new(String::from_utf8_lossy(&content).into_owned());
    let Some(token) = file.token_in(&text).map(Zeroizing::new) else {
        let problem =
            message!("{shown_path} has no token in the place that its `format` names", shown_path);
        return bad(group, problem, "set `format` to `{\"type\": \"text\"}`".into());
    };
    if token.trim() != *token {
        let problem = message!(
            "{shown_path} has a newline or spaces around the token, which the libraries send with it",
            shown_path
        );
        bad(
            group,
            problem,
            "write it with the agent or `yc-id-token token --output`, which add no newline".into(),
        );
    }
    let claims = match Claims::read(token.trim()) {
        Ok(claims) => claims,
        Err(problem) => {
            return bad(
                group,
                message!("the token in {shown_path}: {problem}", shown_path, problem),
                keep(),
            );
        }
    };
    let now = checks.context.clock.now().at;
    match claims.expires_at() {
        Some(end) if end <= now => {
            let problem =
                message!("the token in {shown_path} has expired: {}", end.beside(now), shown_path);
            bad(group, problem, keep());
        }
        Some(end) if end.since(now) < EXPIRES_SOON => group.warning(
            message!(
                "{place}: the token in {shown_path} expires soon: {}",
                end.beside(now),
                place,
                shown_path
            ),
            keep(),
        ),
        Some(_) | None => {}
    }
    let is_accepted = claims.aud.first().is_some_and(accepts);
    if !is_accepted {
        bad(
            group,
            message!(
                "the token in {shown_path} is for the audience {}, not for the provider",
                ForeignText::new(&claims.aud.to_string()),
                shown_path
            ),
            audience_fix(file),
        );
    }
}

/// Checks that an agent answers, accepts the secret in the configuration, and returns a token for the right audience.
pub(super) fn check_endpoint(
    found: &Found,
    url: &str,
    table: Option<&AgentEndpoint>,
    accepts: impl Fn(&str) -> bool,
    group: &mut Group<'_>,
) {
    let Found { place, file, path, .. } = found;
    let bad = |group: &mut Group<'_>, exit: Exit, problem: Message, fix: Message| {
        group.bad(exit, message!("{place}: {problem}", place, problem), fix);
    };
    let anew = || -> Message { "write it with `yc-id-token setup gcp --source=url`".into() };
    if file.secret().is_none() {
        let problem = "it has no `Authorization` header with the agent's secret".into();
        bad(group, Exit::Configuration, problem, anew());
    }
    let Some(table) = table else {
        let problem =
            message!("no table of `[[agent.endpoints]]` listens at {}", ForeignText::new(url));
        return bad(group, Exit::Configuration, problem, anew());
    };
    let has_its_secret = table.credential_file.as_ref().is_some_and(|it| it.value == *path);
    if !has_its_secret {
        let problem = "its endpoint of the agent has another secret".into();
        let fix =
            message!("set `credential_file = \"{}\"` there, instead of `secret_file`", shown(path));
        bad(group, Exit::Configuration, problem, fix);
    }
    if !table.audiences.is_empty() && !table.audiences.iter().any(|audience| accepts(audience)) {
        let problem = "its endpoint of the agent has other audiences".into();
        bad(group, Exit::Configuration, problem, audience_fix(file));
    }
    let address = address(url).and_then(|address| address.parse().ok());
    let answers =
        |address: SocketAddr| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok();
    if !address.is_some_and(answers) {
        let problem = message!("nothing answers at {}", ForeignText::new(url));
        bad(group, Exit::Temporary, problem, START_AGENT.into());
    }
}

/// The address and port of a URL without TLS.
pub(super) fn address(url: &str) -> Option<&str> {
    url.strip_prefix("http://")?.split('/').next()
}

fn audience_fix(file: &CredentialFile) -> Message {
    message!("set the audience `https:{}` there", ForeignText::new(file.audience()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_what_the_agent_listens_at() {
        assert_eq!(address("http://127.0.0.1:9911/"), Some("127.0.0.1:9911"));
        assert_eq!(address("http://[::1]:9911"), Some("[::1]:9911"));
        assert_eq!(address("https://127.0.0.1:9911/"), None);
    }
}
