//! Files that belong to the user and to other programs: how they are edited.

pub mod edit;
mod line_ends;
mod system;
mod target;
mod temporary;
