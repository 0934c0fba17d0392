//! One user whose exec plugin is this program: whether kubectl can run it, and with which settings.

use std::path::{Component, Path, PathBuf};

use crate::command::doctor::Checks;
use crate::command::doctor::entry::{self, Wording};
use crate::command::doctor::launch::{Launch, Way};
use crate::command::on_path::{is_program, on_path};
use crate::consumer::{ConsumerName, EXEC_V1 as V1, EXEC_V1BETA1 as V1BETA1, KubectlPlugin};
use crate::error::{Error, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;
use crate::run::{Context, Run};
use crate::settings::{Flags, Settings};

use super::Found;
use super::kubeconfig::{Credentials, Exec};

const ARGUMENTS: &str = "the shortest that works is `args: [kubectl, --profile=NAME]`";

pub(super) struct Entry<'a> {
    pub(super) checks: &'a Checks<'a>,
    /// The user, and the file.
    pub(super) place: &'a Message,
    pub(super) exec: &'a Exec,
    pub(super) launch: &'a Launch,
    pub(super) credentials: &'a Credentials,
    /// The folder of its kubeconfig.
    pub(super) folder: &'a Path,
}

/// The plugin as the entry configures it.
pub(super) struct Plugin {
    pub(super) does: KubectlPlugin,
    /// The opened run of its identity, which has sent no request yet.
    pub(super) run: Run,
    pub(super) entry: entry::Entry,
}

pub(super) struct Findings {
    pub(super) bad: Vec<(Message, Message)>,
    pub(super) found: Found,
    pub(super) plugin: Option<Plugin>,
}

impl Entry<'_> {
    pub(super) fn findings(&self) -> Findings {
        let mut found = Found::default();
        let problems = [
            self.conflict_problem(),
            self.command_problem(),
            self.version_problem(),
            self.mode_problem(),
        ];
        let mut bad: Vec<_> = problems.into_iter().flatten().collect();
        let plugin = match &self.launch.arguments {
            Some(arguments) => match self.plugin(arguments) {
                Ok(plugin) => Some(plugin),
                Err(problem) => {
                    bad.push(problem);
                    None
                }
            },
            None => {
                found.warnings.push((
                    "a shell script runs yc-id-token, so its arguments cannot be checked".into(),
                    message!(
                        "run it without a shell: `command: yc-id-token`; {ARGUMENTS}",
                        ARGUMENTS
                    ),
                ));
                None
            }
        };
        if let Some(plugin) = &plugin {
            self.check_answer(plugin, &mut bad, &mut found);
        }
        Findings { bad, found, plugin }
    }

    /// The path that kubectl runs, if the file exists.
    pub(super) fn program(&self) -> Option<PathBuf> {
        let command = self.exec.command.as_deref().unwrap_or_default();
        if Path::new(command).components().count() > 1 {
            return std::path::absolute(self.folder.join(command)).ok().map(|path| cleaned(&path));
        }
        on_path(self.checks.env, command)
    }

    /// Other credentials of the same user, for which kubectl never runs a plugin.
    fn conflict_problem(&self) -> Option<(Message, Message)> {
        if self.credentials.has_auth_provider() {
            return Some((
                "it has `auth-provider` beside `exec`, and kubectl refuses to use both".into(),
                "remove `auth-provider` from the user".into(),
            ));
        }
        let winners = self.credentials.overriding_fields();
        let first = *winners.first()?;
        let names: Vec<Message> =
            winners.into_iter().map(|name| message!("`{name}`", name)).collect();
        Some((
            message!(
                "kubectl uses the {} beside `exec`, and never runs the plugin",
                Message::join(&names, " and ")
            ),
            message!(
                "remove {} from the user, or add another user for `exec`",
                match first {
                    "client-certificate" | "client-certificate-data" =>
                        "the client certificate and key",
                    "username" => "`username` and `password`",
                    "token" => "`token`",
                    _ => "`tokenFile`",
                }
            ),
        ))
    }

    fn command_problem(&self) -> Option<(Message, Message)> {
        let command = self.exec.command.as_deref().unwrap_or_default();
        match self.launch.way {
            Way::Unsplit => Some((
                message!(
                    "kubectl takes `command: {}` as the name of one program, spaces included",
                    ForeignText::new(command)
                ),
                message!(
                    "write `command: {}`, and the rest as items of `args`",
                    ForeignText::new(&self.launch.program)
                ),
            )),
            Way::Direct => self.program_problem(command, self.folder),
            // A wrapper looks for the program from the folder where kubectl was started.
            Way::Through => self
                .program_problem(command, self.folder)
                .or_else(|| self.program_problem(&self.launch.program, Path::new(""))),
        }
    }

    fn program_problem(&self, program: &str, folder: &Path) -> Option<(Message, Message)> {
        let path = Path::new(program);
        let name = ForeignText::new(program);
        if path.components().count() <= 1 && !program.contains('/') {
            if on_path(self.checks.env, program).is_some() {
                return None;
            }
            let beside = self.folder.join(path);
            // `kubectl config set-credentials` turns a path in the kubeconfig's folder into a bare name.
            let fix = if is_program(&beside) {
                message!(
                    "kubectl looks for a bare name on the PATH, not at {}: move it out of that folder, or add the folder to the PATH",
                    shown(&beside)
                )
            } else {
                "add it to the PATH of the programs that run kubectl, or give its full path".into()
            };
            return Some((message!("`{name}` is not on the PATH", name), fix));
        }
        let place = cleaned(&folder.join(path));
        if is_program(&place) {
            return None;
        }
        let what = if path.is_relative() {
            message!("`{name}`, which is {}, cannot be run", shown(&place), name)
        } else {
            message!("`{name}` cannot be run", name)
        };
        Some((what, "correct `command`: a name on the PATH, or a full path".into()))
    }

    fn version_problem(&self) -> Option<(Message, Message)> {
        let fix = || message!("set `apiVersion: {V1}`", V1);
        match self.exec.api_version.as_deref() {
            Some(V1 | V1BETA1) => None,
            None | Some("") => Some(("`apiVersion` is missing".into(), fix())),
            Some(other) => Some((
                message!(
                    "kubectl does not accept `apiVersion: {other}`",
                    other = ForeignText::new(other)
                ),
                fix(),
            )),
        }
    }

    fn mode_problem(&self) -> Option<(Message, Message)> {
        let fix = || "set `interactiveMode: Never`".into();
        let mode = self.exec.interactive_mode.as_deref().filter(|mode| !mode.is_empty());
        match (mode, self.exec.api_version.as_deref()) {
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
                Some(("`interactiveMode` is missing, which v1 requires".into(), fix()))
            }
            (None, _) => None,
        }
    }

    /// The plugin with these arguments and the variables that the entry sets.
    fn plugin(&self, arguments: &[String]) -> Result<Plugin, (Message, Message)> {
        let wording = Wording { arguments: "`args`", reader: "kubectl", fix: ARGUMENTS };
        let program = &self.launch.program;
        let flags = entry::flags(self.checks, ConsumerName::Kubectl, program, arguments, wording)?;
        self.resolve(flags).map_err(|error| {
            let hint = error.hint().unwrap_or_else(|| ARGUMENTS.into());
            (message!("the plugin fails: {error}", error), hint)
        })
    }

    fn resolve(&self, flags: Flags) -> Result<Plugin, Error> {
        let checks = self.checks;
        let listed = self.exec.env.iter().flatten();
        let listed = listed
            .map(|variable| (variable.name.clone(), variable.value.clone().unwrap_or_default()));
        let env = entry::environment(checks, self.launch, listed);
        let place = self.place.clone();
        let entry = entry::Entry::resolve(checks, ConsumerName::Kubectl, place, flags, env)?;
        let consumers = checks.context.consumers;
        let (flags, env) = (&entry.flags, &entry.env);
        let tables = [KubectlPlugin::TABLE];
        let mut settings = Settings::load(flags, env, checks.locations, consumers, &tables)?;
        let does = KubectlPlugin::of(&settings)?;
        settings.timeout.value = checks.part();
        let context = Context { flags, env, ..checks.context.for_people() };
        let run = Run::of(settings, context, Some("kubectl"))?;
        Ok(Plugin { does, run, entry })
    }

    /// Checks that its answer has the version that kubectl expects.
    fn check_answer(&self, plugin: &Plugin, bad: &mut Vec<(Message, Message)>, found: &mut Found) {
        let short = |version: &str| if version == V1 { "v1" } else { "v1beta1" };
        match (self.exec.api_version.as_deref(), plugin.does.api_version) {
            (Some(asked @ (V1 | V1BETA1)), Some(answered)) if asked != answered => bad.push((
                message!(
                    "its `apiVersion` is {}, but its arguments, variables or profile make the plugin answer in {}",
                    short(asked),
                    short(answered)
                ),
                message!("remove `--api-version`, or give `--api-version={}`", short(asked)),
            )),
            (Some(V1BETA1), None) => found.warnings.push((
                "its `apiVersion` is v1beta1 without `--api-version=v1beta1` in `args`: a client that sets no KUBERNETES_EXEC_INFO gets v1".into(),
                "add `--api-version=v1beta1` to `args`, or set `apiVersion: client.authentication.k8s.io/v1`".into(),
            )),
            _ => {}
        }
    }
}

/// A path without `.` and `..`, as Go's `filepath.Clean` makes it: links are not followed.
fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(clean.pop()),
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    clean
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shortened_as_kubectl_shortens_it() {
        for (path, clean) in
            [("/a/./b/../c", "/a/c"), ("/../a", "/a"), ("/a/b/../..", "/"), ("/a//b/", "/a/b")]
        {
            assert_eq!(cleaned(Path::new(path)), Path::new(clean), "{path}");
        }
    }
}
