//! Edits files of the user and of other programs, and keeps everything in them that is not changed.

pub mod edit;
mod line_ends;
mod system;
mod target;
mod temporary;
