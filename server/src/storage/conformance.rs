//! What every engine must show.
