//! Edits one profile of the AWS configuration. Everything else stays as it is, including comments and indentation.
//!
//! A profile must have no second kind of credentials, because tools differ in which one they use. botocore, for
//! example, prefers keys in the credentials file to `credential_process`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::process::arguments;
use crate::command::setup::difference;
use crate::consumer::{CREDENTIAL_KEYS, Ini, Item, Kind, Section};
use crate::error::{Error, Result, shown};
use crate::foreign_text::{ForeignText, Message};
use crate::message;

const PROCESS: &str = "credential_process";

/// A configuration or credentials file that botocore can read.
pub(super) struct AwsFile<'a> {
    path: PathBuf,
    lines: Vec<&'a str>,
    ini: Ini<'a>,
}

impl<'a> AwsFile<'a> {
    /// Parses a text. Fails on what botocore rejects: which setting takes effect would be a guess.
    pub(super) fn read(path: &Path, text: &'a str) -> Result<Self> {
        let mut ini = Ini::parse(text);
        if ini.faults.is_empty() {
            return Ok(Self { path: path.to_owned(), lines: text.lines().collect(), ini });
        }
        let fault = ini.faults.swap_remove(0);
        Err(Error::Config {
            path: path.to_owned(),
            line: fault.line,
            problem: fault.problem,
            hint: Some(
                "correct that line: the AWS CLI and boto3 cannot read the file either".into(),
            ),
        })
    }

    /// The section of a profile. Fails if tools differ in how they read it.
    pub(super) fn profile(&self, name: &str) -> Result<Option<&Section<'a>>> {
        let mut sections = self.ini.named(Kind::Profile, name);
        let Some(section) = sections.next() else { return Ok(None) };
        let problem = if sections.next().is_some() {
            "another section defines the same profile"
        } else if section.header.starts_with(char::is_whitespace)
            || section.header.trim_end() == "default" && section.header != "default"
        {
            "botocore ignores a header with spaces after its bracket"
        } else {
            return Ok(Some(section));
        };
        Err(Error::Config {
            path: self.path.clone(),
            line: section.at + 1,
            problem: problem.into(),
            hint: Some("leave one section `[profile NAME]`".into()),
        })
    }

    pub(super) fn value(&self, profile: &str, key: &str) -> Result<Option<&'a str>> {
        let item = self.profile(profile)?.and_then(|section| section.item(key));
        Ok(item.map(Item::plain_value).filter(|value| !value.is_empty()))
    }

    /// The profile of this program that an AWS profile uses.
    pub(super) fn own_profile(&self, name: &str) -> Result<Option<&'a str>> {
        Ok(self.profile(name)?.and_then(own_profile))
    }

    /// The profiles of this program that AWS profiles use.
    pub(super) fn own_profiles(&self) -> impl Iterator<Item = &'a str> {
        self.ini.sections.iter().filter_map(own_profile)
    }

    /// The keys of other credentials in a profile.
    pub(super) fn other_credentials(&self, profile: &str) -> Result<Vec<&'a str>> {
        let section = self.profile(profile)?.into_iter();
        Ok(self.credentials_in(section.flat_map(|section| &section.items)))
    }

    /// The keys of other credentials in the credentials file, whose sections have bare names.
    pub(super) fn credentials(&self, profile: &str) -> Vec<&'a str> {
        let is_it = |section: &&Section<'_>| section.header.trim().trim_matches('"') == profile;
        let sections = self.ini.sections.iter().filter(is_it);
        self.credentials_in(sections.flat_map(|section| &section.items))
    }

    /// How an existing profile differs from these settings.
    pub(super) fn differences(
        &self,
        profile: &str,
        settings: &[(&str, String)],
    ) -> Result<Vec<Message>> {
        let Some(section) = self.profile(profile)? else { return Ok(Vec::new()) };
        let differing = settings.iter().filter_map(|(key, value)| {
            let item = section.item(key)?;
            // The path of this program may change. For other values, botocore treats a comment at the end of the line
            // as a part of the value.
            let (old, is_same) = if *key == PROCESS {
                let old = item.plain_value();
                (old, arguments(old) == arguments(value))
            } else {
                (item.value, item.value == value)
            };
            (!is_same && !old.is_empty()).then(|| difference(key, old, value))
        });
        Ok(differing.collect())
    }

    /// The text with these settings in a profile, and without its other credentials.
    pub(super) fn with_profile(&self, name: &str, settings: &[(&str, String)]) -> Result<String> {
        let Some(section) = self.profile(name)? else { return Ok(self.with_new(name, settings)) };
        // The new text of a line, or `None` to remove it. Other lines stay.
        let mut edits: BTreeMap<usize, Option<String>> = BTreeMap::new();
        let remove = |edits: &mut BTreeMap<_, _>, item: &Item<'_>| {
            let lines = [item.lines.start].into_iter().chain(item.more.iter().map(|(at, _)| *at));
            edits.extend(lines.map(|at| (at, None)));
        };
        for key in self.other_credentials(name)? {
            section
                .items
                .iter()
                .filter(|item| item.is(key))
                .for_each(|item| remove(&mut edits, item));
        }
        let last = section.items.last();
        // A line that is indented more than the key above it would continue that key's value.
        let indent = last.map_or(section.indent, |item| item.indent);
        let mut added = Vec::new();
        for (key, value) in settings {
            let Some(item) = section.item(key) else {
                added.push(format!("{indent}{key} = {value}"));
                continue;
            };
            if item.value == value && item.more.is_empty() {
                edits.remove(&item.lines.start);
                continue;
            }
            if let Some((at, _)) = item.more.first().filter(|_| *key != PROCESS) {
                return Err(Error::Config {
                    path: self.path.clone(),
                    line: at + 1,
                    problem: message!(
                        "the line is indented, so it continues the value of `{}`",
                        ForeignText::new(key)
                    ),
                    hint: Some("indent it as the line above it".into()),
                });
            }
            remove(&mut edits, item);
            let before = &self.lines[item.lines.start][..item.value_at];
            let gap = if before.ends_with(" =") { " " } else { "" };
            edits.insert(item.lines.start, Some(format!("{before}{gap}{value}")));
        }
        // After the last setting: a comment that follows may belong to the next section.
        let end = last.map_or(section.at + 1, |item| item.lines.end);
        let mut lines = Vec::new();
        for at in 0..=self.lines.len() {
            if at == end {
                lines.append(&mut added);
            }
            match (edits.remove(&at), self.lines.get(at)) {
                (Some(edited), _) => lines.extend(edited),
                (None, Some(line)) => lines.push((*line).to_owned()),
                (None, None) => {}
            }
        }
        Ok(lines.join("\n") + "\n")
    }

    fn with_new(&self, name: &str, settings: &[(&str, String)]) -> String {
        let mut lines: Vec<String> = self.lines.iter().map(|line| (*line).to_owned()).collect();
        if lines.last().is_some_and(|line| !line.trim().is_empty()) {
            lines.push(String::new());
        }
        let kind = if name == "default" { "" } else { "profile " };
        lines.push(format!("[{kind}{name}]"));
        lines.extend(settings.iter().map(|(key, value)| format!("{key} = {value}")));
        lines.join("\n") + "\n"
    }

    /// Fails if a new text changes more than these settings of a profile.
    pub(super) fn verify(&self, text: &str, name: &str, settings: &[(&str, String)]) -> Result<()> {
        let new = AwsFile::read(&self.path, text)?;
        let is_other =
            |section: &&Section<'_>| section.name(Kind::Profile).as_deref() != Some(name);
        let rest = |file: &AwsFile<'_>| -> Vec<(String, Vec<Vec<String>>)> {
            let sections = file.ini.sections.iter().filter(is_other);
            sections.map(|section| (section.header.to_owned(), items(section, &[]))).collect()
        };
        let keys: Vec<&str> =
            settings.iter().map(|(key, _)| *key).chain(CREDENTIAL_KEYS.iter().copied()).collect();
        let other_items = |file: &AwsFile<'_>| -> Result<Vec<_>> {
            Ok(file.profile(name)?.map(|section| items(section, &keys)).unwrap_or_default())
        };
        let mut is_set = new.other_credentials(name)?.is_empty();
        for (key, value) in settings {
            let item = new.profile(name)?.and_then(|section| section.item(key));
            is_set &= item.is_some_and(|item| item.value == value && item.more.is_empty());
        }
        if is_set && rest(self) == rest(&new) && other_items(self)? == other_items(&new)? {
            return Ok(());
        }
        Err(Error::Conflict {
            problem: message!(
                "`{}` cannot be edited without a change of other settings",
                shown(&self.path)
            ),
            hint: "choose another name with `--aws-profile`; nothing has been changed".into(),
        })
    }

    fn credentials_in<'s>(&self, items: impl Iterator<Item = &'s Item<'a>>) -> Vec<&'a str>
    where
        'a: 's,
    {
        let is_other = |item: &&Item<'a>| {
            // Some tools use the other keys instead of `credential_process`, or together with it.
            let is_own = item.is(PROCESS) && item.value.contains("yc-id-token");
            CREDENTIAL_KEYS.iter().any(|key| item.is(key)) && !is_own
        };
        let of_all = self.ini.of_all_sections().filter(is_other).map(|item| item.key);
        items.filter(is_other).map(|item| item.key).chain(of_all).collect()
    }
}

/// The profile in a section's command line of this program.
fn own_profile<'a>(section: &Section<'a>) -> Option<&'a str> {
    let command = section.item(PROCESS)?.plain_value();
    let own = Some(arguments(command)).filter(|_| command.contains("yc-id-token"))?;
    own.split_whitespace().find_map(|word| word.strip_prefix("--profile="))
}

/// The lines of each item of a section, without some keys.
fn items(section: &Section<'_>, without: &[&str]) -> Vec<Vec<String>> {
    let items = section.items.iter().filter(|item| !without.iter().any(|key| item.is(key)));
    let text = |item: &Item<'_>| {
        let more = item.more.iter().map(|(_, line)| (*line).to_owned());
        [item.key.to_owned(), item.value.to_owned()].into_iter().chain(more).collect()
    };
    items.map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine
[default]
region = us-west-2

[profile yandex] # mine
Region = eu-west-1
s3 =
  addressing_style = path

# the next
[profile other]
role_arn = arn:aws:iam::1:role/x
source_profile = default
";

    fn file(text: &str) -> AwsFile<'_> {
        AwsFile::read(Path::new("config"), text).unwrap()
    }

    fn settings(region: &str) -> [(&'static str, String); 2] {
        [("region", region.into()), ("credential_process", "/x/yc-id-token aws".into())]
    }

    /// The text after an edit that has been verified.
    fn edited(text: &str, profile: &str, region: &str) -> String {
        let file = file(text);
        let after = file.with_profile(profile, &settings(region)).unwrap();
        file.verify(&after, profile, &settings(region))
            .unwrap_or_else(|error| panic!("{error}: {after}"));
        after
    }

    #[test]
    fn a_profile_is_edited_and_nothing_else_changes() {
        let changed = edited(TEXT, "yandex", "eu-central-1");
        let expected = TEXT.replace("Region = eu-west-1", "Region = eu-central-1").replace(
            "  addressing_style = path\n",
            "  addressing_style = path\ncredential_process = /x/yc-id-token aws\n",
        );
        assert_eq!(changed, expected);
        assert_eq!(edited(&changed, "yandex", "eu-central-1"), changed);
        let end = "\n[profile new]\nregion = eu\ncredential_process = /x/yc-id-token aws\n";
        assert_eq!(edited(TEXT, "new", "eu"), format!("{TEXT}{end}"));
        assert_eq!(file("").with_profile("default", &[]).unwrap(), "[default]\n");
    }

    #[test]
    fn an_edit_keeps_indentation_and_delimiters() {
        for (before, after) in [
            (
                "[profile p]\n  region : us\n  output = json\n# end\n  [profile q]\n",
                "[profile p]\n  region : eu\n  output = json\n  credential_process = /x/yc-id-token aws\n# end\n  [profile q]\n",
            ),
            (
                "[profile 'p']\n  region = us\n\ts3=\n\t\t\tx = 1\n\n\n[profile q]\nregion = z\n",
                "[profile 'p']\n  region = eu\n\ts3=\n\t\t\tx = 1\n\tcredential_process = /x/yc-id-token aws\n\n\n[profile q]\nregion = z\n",
            ),
            (
                "  [profile p]\n  [profile q]\n",
                "  [profile p]\n  region = eu\n  credential_process = /x/yc-id-token aws\n  [profile q]\n",
            ),
            (
                "[profile p]\nregion = eu # home\ncredential_process = /old/yc-id-token\n  aws\nrole_arn = a\n # c\n  r\nx=1",
                "[profile p]\nregion = eu\ncredential_process = /x/yc-id-token aws\n # c\nx=1\n",
            ),
        ] {
            assert_eq!(edited(before, "p", "eu"), after);
        }
    }

    #[test]
    fn ambiguous_files_are_rejected_with_the_line() {
        let rejected = |text: &str| match AwsFile::read(Path::new("config"), text) {
            Ok(file) => file.with_profile("p", &settings("eu")).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        for (text, start) in [
            ("[profile p]\nregion = a\nregion = b\n", "config:3: the key `region`"),
            ("[profile p]\nregion\n", "config:2: the line has neither"),
            ("[profile p]\n[profile 'p']\n", "config:1: another section"),
            ("[profile p]\nregion = eu\n  output = x\n", "config:3: the line is indented"),
            ("\n[ profile p ]\n", "config:2: botocore ignores a header"),
        ] {
            assert!(rejected(text).starts_with(start), "{text:?}: {}", rejected(text));
        }
        // The next header would continue the value of a new key.
        let text = "[profile p]\n  [profile q]\n";
        let after = file(text).with_profile("p", &settings("eu")).unwrap();
        assert!(file(text).verify(&after, "p", &settings("eu")).is_err(), "{after}");
    }

    #[test]
    fn other_credentials_are_found_and_removed() {
        let others = |text, profile| file(text).other_credentials(profile).unwrap().join(" ");
        assert_eq!(others(TEXT, "other"), "role_arn source_profile");
        assert_eq!(others(TEXT, "yandex"), "");
        let changed = edited(TEXT, "other", "eu");
        assert!(
            changed.ends_with(
                "[profile other]\nregion = eu\ncredential_process = /x/yc-id-token aws\n"
            ),
            "{changed}"
        );
        let credentials = file("[yandex]\n  aws_access_key_id : x\n").credentials("yandex");
        assert_eq!(credentials, ["aws_access_key_id"]);
        let foreign = "[profile yandex]\ncredential_process = /opt/other\n";
        assert_eq!(others(foreign, "yandex"), "credential_process");
        assert!(edited(foreign, "yandex", "eu").contains("= /x/yc-id-token aws\n"));
        assert_eq!(others("[DEFAULT]\nrole_arn = r\n[profile p]\n", "p"), "role_arn");
    }

    #[test]
    fn only_a_moved_program_is_no_difference() {
        let text = "[profile p]\nregion = eu\ncredential_process = \"/old place/yc-id-token\" aws --profile=a\n";
        let differences = |region: &str, command: &str| {
            let settings = [("region", region.into()), ("credential_process", command.into())];
            Message::join(&file(text).differences("p", &settings).unwrap(), "; ").to_string()
        };
        assert_eq!(differences("eu", "/new/yc-id-token aws --profile=a"), "");
        assert_eq!(
            differences("us", "/new/yc-id-token aws --profile=a"),
            "`region` is `eu`, not `us`"
        );
        let commented = file("[profile p]\nregion = eu # home\n");
        let differences_of_comment =
            commented.differences("p", &[("region", "eu".into())]).unwrap();
        assert_eq!(differences_of_comment[0].to_string(), "`region` is `eu # home`, not `eu`");
        assert!(differences("eu", "/new/yc-id-token aws --profile=b").contains("--profile=b"));
    }
}
