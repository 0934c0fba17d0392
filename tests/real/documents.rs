//! The pages of `docs`, as tests use them: their blocks, with the values of a test in place of the examples.

use super::project_file;

/// A page of `docs`.
pub struct Document(String);

impl Document {
    pub fn of(page: &str) -> Self {
        Self(without_indentation(&project_file(&format!("docs/{page}.md"))))
    }

    /// Its blocks in a language, in order.
    pub fn blocks(&self, language: &str) -> Vec<&str> {
        let begin = format!("```{language}\n");
        let blocks = self.0.split(&begin).skip(1);
        blocks.map(|rest| rest.split_once("```").unwrap().0).collect()
    }

    /// Its one block in a language that contains this.
    #[track_caller]
    pub fn block(&self, language: &str, containing: &str) -> &str {
        let blocks = self.blocks(language);
        let found: Vec<&&str> = blocks.iter().filter(|block| block.contains(containing)).collect();
        let [block] = found[..] else { panic!("{} blocks contain `{containing}`", found.len()) };
        block
    }
}

/// The text with the blocks of lists moved to the left, where their languages expect them.
fn without_indentation(page: &str) -> String {
    let mut of_block = None;
    let mut text = String::new();
    for line in page.lines() {
        let unindented = line.trim_start_matches(' ');
        let line = if unindented.starts_with("```") {
            let indentation = &line[..line.len() - unindented.len()];
            of_block = if of_block.is_some() { None } else { Some(indentation) };
            unindented
        } else {
            line.strip_prefix(of_block.unwrap_or_default()).unwrap_or(line)
        };
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The text with a test's value in place of the example's.
#[track_caller]
pub fn filled_in(text: &str, example: &str, value: &str) -> String {
    assert!(text.contains(example), "there is no `{example}` in:\n{text}");
    text.replace(example, value)
}

/// The program's error, with the request ID that the pages show in place of the real one.
pub fn with_request_id_of_page(error: &str) -> String {
    let begin = "(request id ";
    let Some((before, rest)) = error.split_once(begin) else { return error.into() };
    format!("{before}{begin}1f3c…{}", &rest[rest.find(')').unwrap()..])
}
