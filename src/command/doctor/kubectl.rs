//! What kubeconfigs say of us (Kubernetes documentation, "client-go credential plugins").

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use crate::command::on_path::{is_program, on_path};
use crate::env;
use crate::error::{Exit, plain, shown};
use crate::message;
use crate::private_file;
use crate::yaml::{self, Node};

use super::Patient;
use super::programs::{Programs, is_ours};
use super::report::Group;
use crate::foreign_text::{ForeignText, Message};

/// That of a thousand clusters has some hundred kilobytes.
const LIMIT: u64 = 16 * 1024 * 1024;

const V1: &str = "client.authentication.k8s.io/v1";
const V1BETA1: &str = "client.authentication.k8s.io/v1beta1";

pub(super) fn check(patient: &Patient<'_>, programs: &Programs, group: &mut Group<'_>) {
    let mut mentioned = false;
    for path in kubeconfigs(patient) {
        mentioned |= check_file(patient, &path, group);
    }
    match &programs.kubectl {
        Some(kubectl) => group.good(kubectl.describe()),
        None if mentioned || patient.consumer.is_some() => group.doubt(
            "kubectl is not on the PATH",
            "install it, unless other programs read the kubeconfig",
        ),
        None => {}
    }
    if !mentioned {
        group
            .good("no kubeconfig has yc-id-token in it; `yc-id-token setup kubectl` puts it there");
    }
}

/// The files that kubectl reads.
fn kubeconfigs(patient: &Patient<'_>) -> Vec<PathBuf> {
    if let Some(list) = patient.env.get_os(env::KUBECONFIG) {
        return std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
    }
    let home = patient.locations.home.as_ref();
    home.map(|home| home.join(".kube").join("config")).into_iter().collect()
}

/// Whether the file mentions us.
fn check_file(patient: &Patient<'_>, path: &Path, group: &mut Group<'_>) -> bool {
    let bytes = match private_file::read_plain(path, LIMIT) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return false,
        Err(error) => {
            let text = message!("{} cannot be read: {}", shown(path), plain(&error));
            group.doubt(text, "see whose it is, and whether you may read it");
            return false;
        }
    };
    // kubectl says by itself what is wrong in a file that is none of our business.
    let text = String::from_utf8_lossy(&bytes);
    if !text.contains("yc-id-token") {
        return false;
    }
    let root = match yaml::parse(&text) {
        Ok(root) => root,
        Err(yaml::Fault { line, column, problem }) => {
            group.bad(
                Exit::Configuration,
                message!("{}:{line}:{column} {problem}", shown(path), line, column, problem),
                "correct the file; `kubectl config view` says whether it can be read",
            );
            return true;
        }
    };
    let users = root.get("users").map(Node::items).unwrap_or_default();
    let mut mentioned = false;
    for user in users {
        let Some(exec) = user.get("user").and_then(|user| user.get("exec")) else { continue };
        let command = exec.get("command").and_then(Node::text).unwrap_or_default();
        if !is_ours(Path::new(command)) {
            continue;
        }
        mentioned = true;
        let name = user.get("name").and_then(Node::text).unwrap_or("?");
        let entry = Entry { patient, file: path, name, exec, command };
        if entry.check(group) {
            group.good(message!(
                "user `{name}` of {} is right",
                shown(path),
                name = ForeignText::new(name)
            ));
        }
    }
    mentioned
}

/// What a kubeconfig has kubectl run for a user.
struct Entry<'a> {
    patient: &'a Patient<'a>,
    file: &'a Path,
    name: &'a str,
    exec: &'a Node,
    command: &'a str,
}

impl Entry<'_> {
    /// Whether all is right.
    fn check(&self, group: &mut Group<'_>) -> bool {
        let problems = [
            self.command_problem(),
            self.version_problem(),
            self.mode_problem(),
            self.arguments_problem(),
        ];
        let is_right = problems.iter().all(Option::is_none);
        for (problem, fix) in problems.into_iter().flatten() {
            let place = message!("user `{}` of {}", ForeignText::new(self.name), shown(self.file));
            group.bad(Exit::Configuration, message!("{place}: {problem}", place, problem), fix);
        }
        is_right
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.exec.get(key).and_then(Node::text)
    }

    fn command_problem(&self) -> Option<(Message, Message)> {
        let command = Path::new(self.command);
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let by_path = command.components().count() > 1;
        if !by_path {
            if on_path(self.patient.env, self.command).is_some() {
                return None;
            }
            let beside = folder.join(command);
            // `kubectl config set-credentials` makes a bare name of a path in the kubeconfig's folder.
            let fix = if is_program(&beside) {
                message!(
                    "kubectl looks for a bare name on the PATH, and not at {}: move it out of that folder, or put the folder on the PATH",
                    shown(&beside)
                )
            } else {
                "put it on the PATH of whoever runs kubectl, or give its full path".into()
            };
            return Some((
                message!("`{}` is not on the PATH", ForeignText::new(self.command)),
                fix,
            ));
        }
        let place = folder.join(command);
        if !is_program(&place) {
            let what = if command.is_relative() {
                message!(
                    "`{}`, which is {}, cannot be run",
                    ForeignText::new(self.command),
                    shown(&place)
                )
            } else {
                message!("`{}` cannot be run", ForeignText::new(self.command))
            };
            return Some((what, "correct `command`: a name on the PATH, or a full path".into()));
        }
        None
    }

    fn version_problem(&self) -> Option<(Message, Message)> {
        let fix = || message!("set `apiVersion: {V1}`", V1);
        match self.text("apiVersion") {
            Some(V1 | V1BETA1) => None,
            Some(other) => Some((
                message!(
                    "`{other}` is no apiVersion of exec plugins",
                    other = ForeignText::new(other)
                ),
                fix(),
            )),
            None => Some(("`apiVersion` is missing".into(), fix())),
        }
    }

    fn mode_problem(&self) -> Option<(Message, Message)> {
        let fix = || "set `interactiveMode: Never`".into();
        match (self.text("interactiveMode"), self.text("apiVersion")) {
            (Some("Never" | "IfAvailable"), _) => None,
            (Some("Always"), _) => Some((
                "`interactiveMode: Always` fails wherever there is no terminal".into(),
                fix(),
            )),
            (Some(other), _) => Some((
                message!("there is no interactiveMode `{other}`", other = ForeignText::new(other)),
                fix(),
            )),
            (None, Some(V1)) => {
                Some(("`interactiveMode` is missing, which v1 wants".into(), fix()))
            }
            (None, _) => None,
        }
    }

    fn arguments_problem(&self) -> Option<(Message, Message)> {
        let listed = self.exec.get("args").map(Node::items).unwrap_or_default();
        let mut words: Vec<OsString> = vec!["yc-id-token".into()];
        // By the name of a link, the command is in the program's own name.
        let link = Path::new(self.command).file_stem().and_then(|name| name.to_str());
        words.extend(link.and_then(|name| name.strip_prefix("yc-id-token-")).map(OsString::from));
        words.extend(listed.iter().filter_map(Node::text).map(OsString::from));
        let fix = || "the shortest that works is `args: [kubectl, --profile=NAME]`".into();
        let read = (self.patient.program)().try_get_matches_from(&words);
        let matches = match &read {
            Ok(matches) => matches,
            Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                return Some(("`args` name no command".into(), fix()));
            }
            Err(error) => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
                return Some((message!("`args`: {first}", first = ForeignText::new(first)), fix()));
            }
        };
        let matches = match matches.subcommand() {
            Some(("kubectl", matches)) => matches,
            Some((other, _)) => {
                let problem = message!(
                    "`args` run `{other}`, whose answer kubectl does not read",
                    other = ForeignText::new(other)
                );
                return Some((problem, fix()));
            }
            None => return Some(("`args` name no command".into(), fix())),
        };
        let flag = matches.get_one::<String>("profile").map(String::as_str);
        let variable = self.variable(env::PROFILE.name);
        let profile = flag.or(variable)?;
        let told = self.patient.settings_of(Some(profile), &[]).err()?;
        let hint = told.hint().unwrap_or_else(fix);
        Some((
            message!("profile `{profile}`: {told}", profile = ForeignText::new(profile), told),
            hint,
        ))
    }

    /// A variable that kubectl sets for us.
    fn variable(&self, name: &str) -> Option<&str> {
        let variables = self.exec.get("env").map(Node::items).unwrap_or_default();
        let is_it = |variable: &&Node| variable.get("name").and_then(Node::text) == Some(name);
        variables.iter().find(is_it)?.get("value").and_then(Node::text)
    }
}
