//! What a setting is: the row that its flag, its variable, its key in the file, its help and its completion
//! are made of. The rows of the program are in [`super::schema`], those of a consumer in the consumer's file.

use std::ops::Range;

use clap::{Arg, ArgAction, value_parser};
use toml::Spanned;
use toml::de::DeValue;

use crate::env::Var;

#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key in the configuration file.
    pub key: &'static str,
    /// Its flag, such as `--key-file`; empty if it has none.
    pub flag: &'static str,
    /// Its variable; empty if it has none.
    pub variable: &'static str,
    pub kind: Kind,
    /// What stands for the value in the help.
    pub value_name: &'static str,
    /// What it is, and its default in brackets.
    pub help: &'static str,
    /// The text that counts where it is not set.
    pub built_in: Option<&'static str>,
    pub decides: Decides,
    /// Whether it can be set in the configuration file.
    pub is_in_file: bool,
    /// The one command below the consumer's that has the flag; empty if all have it.
    pub command: &'static str,
    pub group: Group,
    /// Whether `-h` lists its flag. `--help` lists all.
    pub is_essential: bool,
    /// What a shell offers for its value.
    pub offer: Offer,
    /// Another program's variable that is read where nothing else sets it.
    pub shared: Option<Var>,
}

/// The settings of a consumer: the name of its table in a profile, and what can be set in it.
#[derive(Debug)]
pub struct Table {
    /// The table's name, which is the subcommand's too.
    pub name: &'static str,
    /// The heading of its flags in the help; empty for those without one.
    pub heading: &'static str,
    /// What can be set in it.
    pub settings: &'static [Field],
}

/// The kind of a setting's value. Once it is read, it is text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Text,
    /// A file or folder: `~/` is the home folder, and a relative path in the file starts where that is.
    Path,
    /// A file whose name need not be UTF-8.
    File,
    /// The file of an authorized key, in a variable also its content.
    Key,
    /// The address of a proxy, which can hold a password.
    Proxy,
    /// A time: text, or a bare number of seconds.
    Time,
    /// `true` or `false`.
    Bool,
    /// `true` or `false`, as a flag without a value.
    Switch,
    /// A list of words. As text, they stand in lines.
    Words,
    /// How often a flag is given.
    Count,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decides {
    /// What is obtained: it is part of a request.
    What,
    /// How it is obtained: a failure is forgotten when it changes.
    How,
    /// Neither.
    Nothing,
}

/// What an option is about: its heading in the help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// It is listed under the heading of its table.
    OfTable,
    Authentication,
    Token,
    Cache,
    Network,
    Diagnostics,
}

impl Group {
    /// Those with a heading, in the order of the help.
    pub const ALL: [Self; 5] =
        [Self::Authentication, Self::Token, Self::Cache, Self::Network, Self::Diagnostics];

    pub const fn heading(self) -> &'static str {
        match self {
            Self::OfTable => "",
            Self::Authentication => "Authentication",
            Self::Token => "Token",
            Self::Cache => "Cache",
            Self::Network => "Network",
            Self::Diagnostics => "Diagnostics",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Offer {
    /// Nothing, or files, which shells offer by themselves.
    Nothing,
    Words(fn() -> Vec<&'static str>),
    /// These words, and the names of the tables below one of the configuration file.
    Named(fn() -> Vec<&'static str>, &'static str),
}

impl Field {
    /// A setting that decides what is obtained, and can be set in every place.
    pub const fn new(
        kind: Kind,
        key: &'static str,
        flag: &'static str,
        variable: &'static str,
    ) -> Self {
        Self {
            key,
            flag,
            variable,
            kind,
            value_name: "",
            help: "",
            built_in: None,
            decides: Decides::What,
            is_in_file: true,
            command: "",
            group: Group::OfTable,
            is_essential: false,
            offer: Offer::Nothing,
            shared: None,
        }
    }

    #[must_use]
    pub const fn help(mut self, value_name: &'static str, help: &'static str) -> Self {
        (self.value_name, self.help) = (value_name, help);
        self
    }

    /// With a value where nothing is set.
    #[must_use]
    pub const fn built_in(mut self, value: &'static str) -> Self {
        self.built_in = Some(value);
        self
    }

    /// Deciding something else than what is obtained.
    #[must_use]
    pub const fn decides(mut self, decides: Decides) -> Self {
        self.decides = decides;
        self
    }

    #[must_use]
    pub const fn not_in_file(mut self) -> Self {
        self.is_in_file = false;
        self
    }

    #[must_use]
    pub const fn flag_of(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    #[must_use]
    pub const fn group(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    #[must_use]
    pub const fn essential(mut self) -> Self {
        self.is_essential = true;
        self
    }

    #[must_use]
    pub const fn offers(mut self, offer: Offer) -> Self {
        self.offer = offer;
        self
    }

    /// With another program's variable below all else.
    #[must_use]
    pub const fn shared(mut self, var: Var) -> Self {
        self.shared = Some(var);
        self
    }

    pub const fn var(&self) -> Var {
        Var { name: self.variable, doc: self.help }
    }

    /// Whether it is this setting.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.variable == other.variable && self.flag == other.flag
    }

    /// Its flag as clap describes it, by an ID that is the flag itself.
    pub(super) fn arg(&self) -> Arg {
        let arg = Arg::new(self.flag).long(self.flag.trim_start_matches('-')).help(self.help);
        match self.kind {
            Kind::Switch => arg.action(ArgAction::SetTrue),
            Kind::Count => arg.action(ArgAction::Count).short('v'),
            Kind::Words => arg.action(ArgAction::Append).value_name(self.value_name),
            Kind::File => {
                arg.value_name(self.value_name).value_parser(value_parser!(std::path::PathBuf))
            }
            Kind::Text | Kind::Path | Kind::Key | Kind::Proxy | Kind::Time | Kind::Bool => {
                arg.value_name(self.value_name)
            }
        }
    }
}

impl Kind {
    /// A value of the file as text; or the place of what is not of this kind, and the type that it has.
    pub(super) fn read(
        self,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<String, (Range<usize>, &'static str)> {
        match (self, value.get_ref()) {
            (Self::Bool | Self::Switch, DeValue::Boolean(on)) => Ok(on.to_string()),
            (Self::Time, DeValue::Integer(number)) => Ok(number.as_str().to_owned()),
            (Self::Words, DeValue::Array(words)) => {
                let words: Result<Vec<String>, _> =
                    words.iter().map(|word| Self::Text.read(word)).collect();
                Ok(words?.join("\n"))
            }
            (Self::Bool | Self::Switch, other) => Err((value.span(), other.type_str())),
            (_, DeValue::String(text)) => Ok(text.to_string()),
            (_, other) => Err((value.span(), other.type_str())),
        }
    }

    /// What a value of the file must be, and how it is written.
    pub(super) const fn described(self) -> (&'static str, &'static str) {
        match self {
            Self::Text | Self::Path | Self::File | Self::Key | Self::Proxy | Self::Count => {
                ("a string", "\"…\"")
            }
            Self::Time => ("a time", "\"20m\""),
            Self::Bool | Self::Switch => ("true or false", "true"),
            Self::Words => ("a list of strings", "[\"…\"]"),
        }
    }
}
