//! The kubeconfig that kubectl sees: of several files, the first that defines an entry wins.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::document::Document;
use crate::consumer::EXEC_EXTENSION as EXTENSION;

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) document: Document,
}

/// The files, in the order in which kubectl reads them.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) files: Vec<File>,
}

/// An entry, and the file that defines it.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) file: &'a Path,
    pub(crate) value: &'a Value,
}

impl Merged {
    pub(crate) fn current_context(&self) -> Option<&str> {
        let names = self.files.iter().map(|file| file.document.value()["current-context"].as_str());
        names.flatten().find(|name| !name.is_empty())
    }

    /// The names of clusters, users or contexts.
    pub(crate) fn names(&self, list: &str) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (_, item) in self.items(list) {
            if let Some(name) = item["name"].as_str().filter(|name| !names.contains(name)) {
                names.push(name);
            }
        }
        names
    }

    /// An entry of a list: the value under `kind`, beside its name.
    pub(crate) fn entry(&self, list: &str, kind: &str, name: &str) -> Option<Entry<'_>> {
        let (file, item) = self.items(list).find(|(_, item)| item["name"] == name)?;
        Some(Entry { file: &file.path, value: &item[kind] })
    }

    /// The audience that a cluster's entry gives to its exec plugins.
    pub(crate) fn audience_of(&self, cluster: &str) -> Option<&str> {
        let cluster = self.entry("clusters", "cluster", cluster)?.value;
        let extensions = cluster["extensions"].as_array()?;
        let ours = extensions.iter().find(|extension| extension["name"] == EXTENSION)?;
        ours["extension"]["audience"].as_str().filter(|audience| !audience.is_empty())
    }

    fn items<'a>(&'a self, list: &str) -> impl Iterator<Item = (&'a File, &'a Value)> + use<'a> {
        let lists: Vec<_> =
            self.files.iter().map(|file| (file, file.document.value()[list].as_array())).collect();
        lists
            .into_iter()
            .flat_map(|(file, items)| items.into_iter().flatten().map(move |item| (file, item)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> Merged {
        let file = |(number, text): (usize, &&str)| File {
            path: PathBuf::from(number.to_string()),
            document: Document::parse((*text).to_owned()).unwrap(),
        };
        Merged { files: texts.iter().enumerate().map(file).collect() }
    }

    #[test]
    fn the_first_file_that_defines_an_entry_wins() {
        let merged = merged(&[
            "users:\n- name: a\n  user: {token: one}\ncurrent-context: ''\n",
            "",
            "users:\n- name: b\n- name: a\n  user: {token: two}\ncurrent-context: x\n",
            "current-context: y\nclusters:\n- name: c\n",
        ]);
        let entry = merged.entry("users", "user", "a").unwrap();
        assert_eq!((entry.file, &entry.value["token"]), (Path::new("0"), &Value::from("one")));
        assert_eq!(merged.entry("users", "user", "b").unwrap().file, Path::new("2"));
        assert_eq!(merged.names("users"), ["a", "b"]);
        assert_eq!(merged.current_context(), Some("x"));
        assert_eq!(merged.names("clusters"), ["c"]);
    }
}
