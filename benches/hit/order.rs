//! The linker script for a release, in which the parts of the program that a hit reads come first: those of every
//! consumer, then those of the same consumers next to each other.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::CONSUMERS;
use crate::install::install;
use crate::place::Place;

/// Functions of every hit that do not run under valgrind, which has no vDSO, and not the newest instructions.
const UNSEEN: &str = "*:strcmp.lo(.text.strcmp) *(.text.*crc32fast*specialized*)";

/// `map` is what the linker wrote about the program.
pub(crate) fn print(program: &Path, map: &Path) -> ExitCode {
    let mut place = Place::new(program);
    place.program = install(place.home.path(), program);
    let sections = sections(&fs::read_to_string(map).unwrap());
    let mut readers = vec![[false; CONSUMERS.len()]; sections.len()];
    for (at, consumer) in CONSUMERS.into_iter().enumerate() {
        place.fill_cache(consumer);
        for address in read(&place, consumer) {
            let after = sections.partition_point(|section| section.start <= address);
            if let Some(section) = after.checked_sub(1)
                && address < sections[section].end
            {
                readers[section][at] = true;
            }
        }
    }
    let mut read: Vec<_> = sections.iter().zip(readers).collect();
    read.retain(|(_, readers)| readers.contains(&true));
    assert!(!read.is_empty(), "a hit reads nothing that is in the map");
    read.sort_by_key(|(_, readers)| {
        Reverse((readers.iter().filter(|reads| **reads).count(), *readers))
    });
    let of = |output: &str| {
        let inputs = read.iter().filter(|(section, _)| section.output == output);
        inputs.map(|(section, _)| section.input.as_str()).collect::<Vec<_>>().join("\n    ")
    };
    println!(
        "SECTIONS {{
  .rodata : {{
    {}
    *(.rodata .rodata.*)
  }}
}} INSERT AFTER .relr.dyn
SECTIONS {{
  .init : {{ KEEP(*(.init)) }}
  .fini : {{ KEEP(*(.fini)) }}
  .text : {{
    {UNSEEN}
    {}
    *(.text .text.*)
  }}
}} INSERT AFTER .rodata",
        of(".rodata"),
        of(".text")
    );
    ExitCode::SUCCESS
}

/// An input section of `.text` or `.rodata`: a function or a constant.
struct Section {
    start: u64,
    end: u64,
    output: &'static str,
    /// How a linker script names it.
    input: String,
}

/// Lines of a map are `ADDRESS LOAD_ADDRESS SIZE ALIGNMENT FILE:(SECTION)`, all numbers but the last in hexadecimal. In
/// archives, FILE is `ARCHIVE(MEMBER)`. Other lines have no file.
fn sections(map: &str) -> Vec<Section> {
    let line = |line: &str| {
        let (file, name) = line.strip_suffix(')')?.rsplit_once(":(")?;
        let output = [".rodata", ".text"].into_iter().find(|output| name.starts_with(output))?;
        let mut columns = file.split_whitespace();
        let start = u64::from_str_radix(columns.next()?, 16).ok()?;
        let size = u64::from_str_radix(columns.nth(1)?, 16).ok()?;
        let file = match file.strip_suffix(')').and_then(|file| file.rsplit_once('(')) {
            Some((_, member)) => format!("*:{member}"),
            None => format!("*{}", file.rsplit_once('/').map_or("", |(_, name)| name)),
        };
        // `$` is only allowed in quotes.
        Some(Section { start, end: start + size, output, input: format!("{file}(\"{name}\")") })
    };
    let mut sections: Vec<_> = map.lines().filter_map(line).collect();
    sections.sort_by_key(|section| section.start);
    sections
}

/// The addresses that a hit runs or reads, in the addresses of the file. Lackey writes a line `KIND ADDRESS,SIZE` for
/// each instruction (`I`), load (`L`), and both (`M`), the first of which is that of the entry point.
fn read(place: &Place, consumer: &str) -> impl Iterator<Item = u64> {
    let trace = place.home.path().join("trace");
    let file = format!("--log-file={}", trace.display());
    place.hit(consumer).under(&["valgrind", "--tool=lackey", "--trace-mem=yes", &file]).unwrap();
    let trace = fs::read_to_string(trace).unwrap();
    let address = |line: &str| {
        let (kind, place) = line.trim_start().split_once(' ')?;
        let (address, _) = place.trim_start().split_once(',')?;
        ["I", "L", "M"].contains(&kind).then(|| u64::from_str_radix(address, 16).unwrap())
    };
    let addresses: Vec<u64> = trace.lines().filter_map(address).collect();
    let offset = addresses[0] - entry_point(&place.program);
    addresses.into_iter().map(move |address| address.wrapping_sub(offset))
}

/// The entry point that the header of an ELF file names.
fn entry_point(program: &Path) -> u64 {
    u64::from_le_bytes(fs::read(program).unwrap()[24..32].try_into().unwrap())
}
