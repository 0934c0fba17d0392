//! A row that defines one setting: its flag, variable, key in the file, help and completion. The rows of the program
//! are in [`super::schema`], those of a consumer in the consumer's file.

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
    /// The placeholder for the value in the help.
    pub value_name: &'static str,
    /// Its description, with the default in brackets.
    pub help: &'static str,
    /// The default value, as text.
    pub built_in: Option<&'static str>,
    pub decides: Decides,
    /// Whether it can be set in the configuration file.
    pub is_in_file: bool,
    /// The only subcommand that has the flag; empty if all have it.
    pub command: &'static str,
    /// The ID of an argument of the command that excludes the flag; empty if none does.
    pub conflicts_with: &'static str,
    pub group: Group,
    /// Whether `-h` lists its flag. `--help` lists all.
    pub is_essential: bool,
    /// How shells complete its value.
    pub offer: Offer,
    /// Another program's variable, which is read if nothing else sets the setting.
    pub shared: Option<&'static Var>,
}

/// The settings of a consumer: the name of its table in a profile, and the rows.
#[derive(Debug)]
pub struct Table {
    /// The table's name, which is also the subcommand's.
    pub name: &'static str,
    /// The heading of its flags in the help; empty if it has no flags.
    pub heading: &'static str,
    /// The settings of the table. Each row is a `static`, not a constant: every start of the program adjusts the
    /// addresses in each copy of a constant.
    pub settings: &'static [&'static Field],
}

/// The kind of a setting's value, which is passed as text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Text,
    /// A file or folder. `~/` is the home folder; a relative path in the file is relative to the file's folder.
    Path,
    /// A file whose name need not be UTF-8.
    File,
    /// The file of an authorized key; a variable can also contain the key itself.
    Key,
    /// The address of a proxy, which can contain a password.
    Proxy,
    /// A time: text, or a bare number of seconds.
    Time,
    /// `true` or `false`.
    Bool,
    /// `true` or `false`; the flag has no value.
    Switch,
    /// A list of words. As text, they are separated by line breaks.
    Words,
    /// How often a flag is given.
    Count,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decides {
    /// *What* is obtained: it is part of a request.
    What,
    /// *How* it is obtained: a change invalidates remembered failures.
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
    /// No completion, or files, which shells complete by themselves.
    Nothing,
    Words(fn() -> Vec<&'static str>),
    /// These words, and the names of the tables below this one in the configuration file.
    Named(fn() -> Vec<&'static str>, &'static str),
}

impl Field {
    /// A setting that decides what is obtained, and can be set everywhere.
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
            conflicts_with: "",
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

    /// Sets the default value.
    #[must_use]
    pub const fn built_in(mut self, value: &'static str) -> Self {
        self.built_in = Some(value);
        self
    }

    /// Sets what the setting decides.
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
    pub const fn conflicts_with(mut self, id: &'static str) -> Self {
        self.conflicts_with = id;
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

    /// Adds another program's variable, with the lowest precedence.
    #[must_use]
    pub const fn shared(mut self, var: &'static Var) -> Self {
        self.shared = Some(var);
        self
    }

    pub const fn var(&self) -> Var {
        Var { name: self.variable, doc: self.help }
    }

    /// Whether both are the same setting.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.variable == other.variable && self.flag == other.flag
    }

    /// Its flag for clap; the ID is the flag itself.
    pub(super) fn arg(&self) -> Arg {
        let arg = Arg::new(self.flag).long(self.flag.trim_start_matches('-')).help(self.help);
        let arg = match self.conflicts_with {
            "" => arg,
            id => arg.conflicts_with(id),
        };
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
    /// A value of the file as text; or the place of a value of another kind, and its type.
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

    /// The expected kind of value in the file, and an example.
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
