//! The ready configurations of `integrations` for tests: the files and the blocks of the READMEs, with a user's values
//! in place of the placeholders.

use super::project_file;

/// The README of a folder of `integrations`, or a page of `docs`.
pub struct Readme(String);

impl Readme {
    pub fn of(folder: &str) -> Self {
        Self(project_file(&format!("integrations/{folder}/README.md")))
    }

    /// The page of `docs` about a consumer.
    pub fn page(name: &str) -> Self {
        Self(project_file(&format!("docs/{name}.md")))
    }

    /// Its blocks in a language, in order.
    pub fn blocks(&self, language: &str) -> Vec<&str> {
        let begin = format!("```{language}\n");
        let blocks = self.0.split(&begin).skip(1);
        blocks.map(|rest| rest.split_once("```").unwrap().0).collect()
    }

    /// Its only block in a language with this text.
    #[track_caller]
    pub fn block(&self, language: &str, containing: &str) -> &str {
        let blocks = self.blocks(language);
        let found: Vec<&&str> = blocks.iter().filter(|block| block.contains(containing)).collect();
        let [block] = found[..] else { panic!("{} blocks contain `{containing}`", found.len()) };
        block
    }
}

/// A text with a user's values in place of the placeholders.
#[track_caller]
pub fn filled_in(text: &str, printed: &str, had: &str) -> String {
    assert!(text.contains(printed), "there is no `{printed}` in:\n{text}");
    text.replace(printed, had)
}

/// The output of the program, with a README's request ID in place of the real one.
pub fn with_request_id_of_readme(printed: &str) -> String {
    let begin = "(request id ";
    let Some((before, rest)) = printed.split_once(begin) else { return printed.into() };
    format!("{before}{begin}1f3c…{}", &rest[rest.find(')').unwrap()..])
}
