//! AWS's configuration and credentials files, as far as a profile is set up in them. Comments, order and
//! spaces stay.
//!
//! Which of several credentials of one profile counts differs between tools (botocore prefers keys in the
//! credentials file to `credential_process`), so that there must be no other.

use std::ops::Range;

use crate::consumer::names_section;

/// Settings of a profile that would be used instead of `credential_process`, or beside it.
const OTHER_CREDENTIALS: &[&str] = &[
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "credential_source",
    "login_session",
    "role_arn",
    "source_profile",
    "sso_account_id",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

const PROCESS: &str = "credential_process";

/// The text of such a file, in lines.
pub(super) struct AwsFile<'a> {
    lines: Vec<&'a str>,
}

impl<'a> AwsFile<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { lines: text.lines().collect() }
    }

    /// The keys of a profile that bring other credentials than ours. In the credentials file, sections have
    /// bare names.
    pub(super) fn other_credentials(&self, profile: &str, bare: bool) -> Vec<&'a str> {
        let section = if bare { self.bare_section(profile) } else { self.section(profile) };
        let keys = section.unwrap_or_default().filter_map(|at| self.setting(at));
        let is_other = |(key, value): &(&str, &str)| {
            OTHER_CREDENTIALS.iter().any(|other| key.eq_ignore_ascii_case(other))
                || (key.eq_ignore_ascii_case(PROCESS) && !value.contains("yc-id-token"))
        };
        keys.filter(is_other).map(|(key, _)| key).collect()
    }

    /// A setting of a profile.
    pub(super) fn value(&self, profile: &str, key: &str) -> Option<&'a str> {
        let mut settings = self.section(profile)?.filter_map(|at| self.setting(at));
        settings.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// The text with these settings in a profile, and without other credentials there.
    pub(super) fn with_profile(&self, profile: &str, settings: &[(&str, String)]) -> String {
        let mut lines: Vec<String> = self.lines.iter().map(|line| (*line).to_owned()).collect();
        let Some(section) = self.section(profile) else {
            if lines.last().is_some_and(|line| !line.trim().is_empty()) {
                lines.push(String::new());
            }
            let kind = if profile == "default" { "" } else { "profile " };
            lines.push(format!("[{kind}{profile}]"));
            lines.extend(settings.iter().map(|(key, value)| format!("{key} = {value}")));
            return lines.join("\n") + "\n";
        };
        // Behind the last setting: what follows may be a comment on the next section.
        let is_setting =
            |at: &usize| !self.lines[*at].trim().is_empty() && !is_comment(self.lines[*at]);
        let end = section.clone().rev().find(is_setting).map_or(section.start, |at| at + 1);
        let mut added: Vec<String> = Vec::new();
        for (key, value) in settings {
            match section.clone().find(|at| {
                self.setting(*at).is_some_and(|(name, _)| name.eq_ignore_ascii_case(key))
            }) {
                Some(at) if self.setting(at).is_some_and(|(_, old)| old == value) => {}
                Some(at) => lines[at] = format!("{key} = {value}"),
                None => added.push(format!("{key} = {value}")),
            }
        }
        let others = self.other_credentials(profile, false);
        let mut kept = Vec::new();
        for (at, line) in lines.into_iter().enumerate() {
            if at == end {
                kept.append(&mut added);
            }
            let is_other = section.contains(&at)
                && self.setting(at).is_some_and(|(key, _)| key != PROCESS && others.contains(&key));
            if !is_other {
                kept.push(line);
            }
        }
        kept.append(&mut added);
        kept.join("\n") + "\n"
    }

    /// The lines below the head of a profile's section.
    fn section(&self, profile: &str) -> Option<Range<usize>> {
        self.section_whose(|name| names_section(name, "profile", profile))
    }

    fn bare_section(&self, profile: &str) -> Option<Range<usize>> {
        self.section_whose(|name| name.trim_matches('"') == profile)
    }

    fn section_whose(&self, is_it: impl Fn(&str) -> bool) -> Option<Range<usize>> {
        let head = |line: &&str| {
            line.strip_prefix('[')
                .and_then(|rest| rest.split_once(']'))
                .map(|(name, _)| name.trim().to_owned())
        };
        let begin =
            self.lines.iter().position(|line| head(line).is_some_and(|name| is_it(&name)))? + 1;
        let length = self.lines[begin..].iter().position(|line| line.starts_with('['));
        Some(begin..length.map_or(self.lines.len(), |length| begin + length))
    }

    /// A setting of a section, not one that is indented below another.
    fn setting(&self, at: usize) -> Option<(&'a str, &'a str)> {
        let line = self.lines[at];
        if line.starts_with([' ', '\t', '[']) || is_comment(line) {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        Some((key.trim(), value.trim()))
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// A word of a `credential_process`, which botocore splits as a shell does, other SDKs have a shell run, and
/// on Windows neither; `"…"` is what all understand. `None` for what cannot be said to all of them.
pub(super) fn process_word(word: &str) -> Option<String> {
    let is_plain = |c: char| {
        c.is_ascii_alphanumeric() || "-_./:=+,@".contains(c) || (cfg!(windows) && c == '\\')
    };
    if word.is_empty() || !word.chars().all(|c| is_plain(c) || c == ' ') {
        return None;
    }
    Some(if word.contains(' ') { format!("\"{word}\"") } else { word.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# mine
[default]
region = us-west-2

[profile yandex] # ours
Region = eu-west-1
s3 =
  addressing_style = path

# the next
[profile other]
role_arn = arn:aws:iam::1:role/x
source_profile = default
";

    fn settings(region: &str) -> [(&'static str, String); 2] {
        [("region", region.into()), ("credential_process", "/x/yc-id-token aws".into())]
    }

    #[test]
    fn a_profile_is_changed_and_nothing_else_touched() {
        let changed = AwsFile::of(TEXT).with_profile("yandex", &settings("eu-central-1"));
        let wanted = TEXT.replace("Region = eu-west-1", "region = eu-central-1").replace(
            "  addressing_style = path\n",
            "  addressing_style = path\ncredential_process = /x/yc-id-token aws\n",
        );
        assert_eq!(changed, wanted);
        assert_eq!(
            AwsFile::of(&changed).with_profile("yandex", &settings("eu-central-1")),
            changed
        );
        let added = AwsFile::of(TEXT).with_profile("new", &settings("eu"));
        let end = "\n[profile new]\nregion = eu\ncredential_process = /x/yc-id-token aws\n";
        assert_eq!(added, format!("{TEXT}{end}"));
        assert_eq!(AwsFile::of("").with_profile("default", &[]), "[default]\n");
    }

    #[test]
    fn other_credentials_are_found_and_taken_out() {
        let file = AwsFile::of(TEXT);
        assert_eq!(file.other_credentials("other", false), ["role_arn", "source_profile"]);
        assert!(file.other_credentials("yandex", false).is_empty());
        let changed = file.with_profile("other", &[("credential_process", "p".into())]);
        assert!(changed.ends_with("[profile other]\ncredential_process = p\n"), "{changed}");
        let credentials = AwsFile::of("[yandex]\naws_access_key_id = x\n");
        assert_eq!(credentials.other_credentials("yandex", true), ["aws_access_key_id"]);
        let foreign = AwsFile::of("[profile yandex]\ncredential_process = /opt/other\n");
        assert_eq!(foreign.other_credentials("yandex", false), ["credential_process"]);
        assert!(foreign.with_profile("yandex", &settings("eu")).contains("= /x/yc-id-token aws\n"));
    }

    #[test]
    fn a_word_is_one_word_to_every_sdk() {
        assert_eq!(process_word("/usr/bin/yc-id-token").as_deref(), Some("/usr/bin/yc-id-token"));
        assert_eq!(process_word("/a b/yc").as_deref(), Some("\"/a b/yc\""));
        for bad in ["", "~/yc", "$HOME/yc", "/a'b", "/a\"b", "/é"] {
            assert_eq!(process_word(bad), None, "{bad}");
        }
    }
}
