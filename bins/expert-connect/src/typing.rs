//! `--type -`: a line of standard input is typed on the novice's desktop as soon as it is there.
//!
//! The way to type without a window. What comes while the expert does not control is dropped, as keys are.

use std::io::{self, BufRead as _};
use std::thread;

use ra_expert::Controls;
use zeroize::Zeroizing;

/// The word on the command line that stands for standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// Types each line, without its end, for as long as there are any; ends with the program.
pub(crate) fn lines_of_standard_input(controls: Controls) -> io::Result<()> {
    let read = move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            controls.type_text(&Zeroizing::new(line));
        }
    };
    thread::Builder::new().name("typing".to_owned()).spawn(read).map(drop)
}
