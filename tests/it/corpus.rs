//! No parser fails on text of other programs: every run of the tests tries the seeds of the fuzz targets and the inputs
//! that they found.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use yc_id_token::fuzzing::TARGETS;

fn files(folder: &Path) -> Vec<PathBuf> {
    let folder =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    folder.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_corpus_is_read_without_a_failure() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, target) in TARGETS {
        let files = files(&corpus.join(name));
        assert!(!files.is_empty(), "{name} has nothing to begin with");
        for file in files {
            eprintln!("{}", file.display());
            target(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let stems = |folder: &str| -> BTreeSet<String> {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        files(&fuzz.join(folder)).into_iter().map(stem).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems("corpus"), targets);
    assert_eq!(stems("fuzz_targets"), targets);
}
