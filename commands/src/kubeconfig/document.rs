//! A kubeconfig as editable text: a key is set or an item appended, and every other byte stays.
//!
//! Each edit is checked. The text is parsed again, and must have the old meaning plus the edit. An edit that would
//! change more is refused with its line.

use serde_json::{Map, Value};

use super::edit::{Edit, not_editable};
use super::place::{Step, at, at_value};
use crate::yaml::{self, Fault, Mark, Node};

/// A kubeconfig's text, and its parsed value.
#[derive(Debug)]
pub(crate) struct Document {
    pub(super) text: String,
    pub(super) root: Option<Node>,
    value: Value,
}

impl Document {
    /// Parses a text with LF line ends and without a byte order mark.
    pub(crate) fn parse(text: String) -> Result<Self, Fault> {
        let root = yaml::parse_whole(&text)?;
        let value = root.as_ref().map_or(Ok(Value::Null), Node::value)?;
        if !matches!(value, Value::Null | Value::Object(_)) {
            return Err(Mark::START.fault("is not a mapping"));
        }
        Ok(Self { text, root, value })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) const fn value(&self) -> &Value {
        &self.value
    }

    /// Sets a key of the map at an existing place.
    pub(crate) fn set(
        &mut self,
        place: &[Step<'_>],
        key: &str,
        value: &Value,
    ) -> Result<(), Fault> {
        let mut wanted = self.value.clone();
        let Some(map) = at_value(&mut wanted, place) else { return Err(not_editable(Mark::START)) };
        if map.get(key) == Some(value) {
            return Ok(());
        }
        if map.is_null() {
            *map = Value::Object(Map::new());
        }
        let Some(map) = map.as_object_mut() else { return Err(not_editable(Mark::START)) };
        map.insert(key.to_owned(), value.clone());
        let edit = match &self.root {
            None => self.edit_of_nothing(key, value),
            Some(root) => self.edit_of_map(at(root, place)?, key, value)?,
        };
        self.make(&edit, &wanted)
    }

    /// Appends an item to a list of the root. The list is created if it is missing.
    pub(crate) fn append(&mut self, list: &str, item: &Value) -> Result<(), Fault> {
        let is_empty =
            |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if self.value.get(list).is_none_or(is_empty) {
            return self.set(&[], list, &Value::Array(vec![item.clone()]));
        }
        let mut wanted = self.value.clone();
        let Some(items) = wanted.get_mut(list).and_then(Value::as_array_mut) else {
            return Err(not_editable(Mark::START));
        };
        items.push(item.clone());
        let root = self.root.as_ref().ok_or_else(|| not_editable(Mark::START))?;
        let edit = self.edit_of_list(at(root, &[Step::Key(list)])?, item)?;
        self.make(&edit, &wanted)
    }

    fn make(&mut self, edit: &Edit, wanted: &Value) -> Result<(), Fault> {
        let text = [&self.text[..edit.start], &edit.new, &self.text[edit.end..]].concat();
        let refusal = || not_editable(edit.mark);
        let edited = Self::parse(text).map_err(|_broken| refusal())?;
        if edited.value != *wanted {
            return Err(refusal());
        }
        *self = edited;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn document(text: &str) -> Document {
        Document::parse(text.to_owned()).unwrap()
    }

    fn user() -> Value {
        let hint = "Install it,\nor not.\n";
        json!({"name": "yandex", "user": {"exec": {"args": ["kubectl", "--profile=k"], "command": "yc-id-token", "env": [], "installHint": hint, "provideClusterInfo": false}}})
    }

    const ITEM: &str = "- name: yandex
  user:
    exec:
      args:
      - kubectl
      - --profile=k
      command: yc-id-token
      env: []
      installHint: |
        Install it,
        or not.
      provideClusterInfo: false
";

    fn appended(text: &str) -> String {
        let mut document = document(text);
        document.append("users", &user()).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        document.text().to_owned()
    }

    #[test]
    fn an_entry_is_added_to_a_list_of_any_form_and_the_rest_stays() {
        for (before, after) in [
            ("", "users:\n{item}"),
            ("# mine", "# mine\nusers:\n{item}"),
            ("a: b # c\n# end\n", "a: b # c\nusers:\n{item}# end\n"),
            ("users: [] # none\na: b\n", "users: # none\n{item}a: b\n"),
            ("users: null\na: b\n", "users:\n{item}a: b\n"),
            ("users: # none\na: b\n", "users: # none\n{item}a: b\n"),
            ("users:\n\na: b\n", "users:\n{item}\na: b\n"),
            (
                "users:\n# x\n- user: {token: t} # one\n  name: x\n# other\na: b\n",
                "users:\n# x\n- user: {token: t} # one\n  name: x\n{item}# other\na: b\n",
            ),
            ("a: |\n  x\n\nusers: ~", "a: |\n  x\n\nusers:\n{item}"),
            ("a: b\n---\nc: d\n", "a: b\nusers:\n{item}---\nc: d\n"),
            ("a: b\n...\n", "a: b\nusers:\n{item}...\n"),
        ] {
            let after = after.replace("{item}", ITEM);
            assert_eq!(appended(before).trim_end(), after.trim_end(), "{before:?}");
        }
    }

    #[test]
    fn an_entry_has_the_indentation_of_the_lists_in_the_file() {
        let indented = format!("  {}\n", ITEM.trim_end().replace('\n', "\n  "));
        let indented =
            indented.replace("  - kubectl", "    - kubectl").replace("  - --p", "    - --p");
        let text = "clusters:\n  - name: c\nusers:\n  -   name: x\n      user: {}\nz: 1\n";
        assert_eq!(appended(text), text.replace("z: 1", &format!("{indented}z: 1")));
        let text = "clusters:\n  - name: c\n";
        assert_eq!(appended(text), format!("{text}users:\n{indented}"));
    }

    #[test]
    fn json_stays_json() {
        let one = "{\"users\":[{\"name\":\"x\"}],\"a\":1}";
        assert_eq!(
            appended(one),
            format!("{{\"users\":[{{\"name\":\"x\"}}, {}],\"a\":1}}", user())
        );
        for text in [
            "{}",
            "{\n  \"users\": null,\n  \"a\": {}\n}\n",
            "{\n    \"a\": {\n        \"b\": []\n    }\n}\n",
            "{\n  \"users\": [\n    {\n      \"name\": \"x\"\n    }\n  ]\n}\n",
        ] {
            let after = appended(text);
            let read: Value =
                serde_json::from_str(&after).unwrap_or_else(|error| panic!("{error}: {after}"));
            assert_eq!(read["users"].as_array().unwrap().last(), Some(&user()), "{after}");
            assert_eq!(after.lines().count() > 3, text.lines().count() > 3, "{after}");
        }
        assert!(appended("users: [{name: x}] # here\n").ends_with("}}}] # here\n"));
        assert!(appended("users: [{name: x}, ]\n").ends_with("}}}, ]\n"));
    }

    #[test]
    fn a_field_is_replaced_alone() {
        let text = "users: # all\n- name: a # b\n  user:\n    exec:\n      # why\n      command: /old   # where\n      args: # what\n      - x\n      - y # last\n      env:\n      other: &o {k: v}\n- name: z\n  user: *o\n";
        let exec = [Step::Key("users"), Step::Named("a"), Step::Key("user"), Step::Key("exec")];
        let mut edited = document(text);
        edited.set(&exec, "command", &json!("new: er")).unwrap();
        assert_eq!(edited.text(), text.replace("/old", "\"new: er\""));
        let mut edited = document(text);
        edited.set(&exec, "args", &json!(["q"])).unwrap();
        assert!(
            edited.text().contains("      args: # last\n      - q\n      env:\n"),
            "{}",
            edited.text()
        );
        let mut edited = document(text);
        edited.set(&exec, "env", &json!([])).unwrap();
        assert_eq!(edited.text(), text.replace("env:", "env: []"));
        let mut edited = document(text);
        edited.set(&exec, "more", &json!(true)).unwrap();
        assert_eq!(edited.text(), text.replace("v}\n", "v}\n      more: true\n"));
        edited.set(&exec, "more", &json!(true)).unwrap();
        let user = [Step::Key("users"), Step::Named("z")];
        edited.set(&user, "name", &json!("zz")).unwrap();
        edited.set(&[], "current-context", &json!("a@b")).unwrap();
        assert!(edited.text().ends_with("- name: zz\n  user: *o\ncurrent-context: a@b\n"));
        edited.set(&[], "current-context", &json!("1")).unwrap();
        assert!(edited.text().ends_with("\ncurrent-context: \"1\"\n"));
    }

    #[test]
    fn what_cannot_be_edited_is_refused_with_its_line() {
        let refused = |text: &str| {
            let mut document = document(text);
            let fault = document.append("users", &user()).unwrap_err();
            assert_eq!(document.text(), text);
            fault.mark.line
        };
        assert_eq!(refused("a: &u [x]\nusers: *u\n"), 2, "an alias");
        assert_eq!(refused("a: b\nusers: &u\n- name: x\nb: *u\n"), 2, "both would change");
        assert_eq!(refused("users: []\na: b\nusers: []\n"), 3);
        assert_eq!(refused("a: b\nusers: text\n"), 1);
        let twice = "users:\n- name: a\n- name: a\n";
        let fault = document(twice).set(&[Step::Key("users"), Step::Named("a")], "x", &json!(1));
        assert_eq!(fault.unwrap_err().mark.line, 3);
        assert!(Document::parse("- a\n".to_owned()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_written_so_that_it_is_read_back(texts in prop::collection::vec(any::<String>(), 1..4), indent in prop::bool::ANY) {
            let before = if indent { "users:\n  - name: x\n" } else { "users: []\n" };
            let mut edited = document(before);
            let item = json!({"name": texts[0], "list": texts, "flag": true});
            edited.append("users", &item).unwrap();
            prop_assert_eq!(edited.value()["users"].as_array().unwrap().last(), Some(&item));
        }

        #[test]
        fn odd_text_is_edited_correctly_or_refused(odd in "(users|a|b|name|&x|\\*x|<<|null|[:,#|>'\"?!{}\\[\\]\u{e9} -]|: |- |\n|\n  ){0,25}") {
            let Ok(mut edited) = Document::parse(odd.clone()) else { return Ok(()) };
            let before = edited.value().clone();
            let is_edited = edited.append("users", &user()).is_ok()
                && edited.set(&[Step::Key("users"), Step::Named("yandex")], "more", &json!("x")).is_ok();
            if !is_edited {
                return Ok(());
            }
            let mut after = edited.value().clone();
            let added = after["users"].as_array_mut().unwrap().pop().unwrap();
            prop_assert_eq!(&added["more"], "x");
            for (key, value) in before.as_object().into_iter().flatten().filter(|(key, _)| *key != "users") {
                prop_assert_eq!(&after[key], value);
            }
            let users = before["users"].as_array().cloned().unwrap_or_default();
            prop_assert_eq!(&after["users"], &Value::from(users), "{}", odd);
        }
    }
}
