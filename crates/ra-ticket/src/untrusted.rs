//! Names that somebody else chose, made fit to be shown to a person.

use core::fmt;

/// A name from the other side, without anything that could move, hide or turn round the text about it.
///
/// Control characters, line breaks, bidirectional and invisible formatting characters are left out, white space is
/// single and the length is limited. It stays what it was: a claim by a stranger. Source: invitation-file.md 3
/// (`USERNAME`), lifecycle.md R35.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UntrustedName(String);

impl UntrustedName {
    /// Neutralises `text`; the result may be empty.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut name = String::new();
        let mut length = 0;
        for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
            let mut gap = !name.is_empty();
            for shown in word.chars().filter(|&c| !is_invisible(c)) {
                if length + usize::from(gap) >= MAX_NAME_CHARS {
                    return Self(name);
                }
                if core::mem::take(&mut gap) {
                    name.push(' ');
                    length += 1;
                }
                name.push(shown);
                length += 1;
            }
        }
        Self(name)
    }

    /// The name as it can be shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for UntrustedName {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for UntrustedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The longest name that is shown, in characters: what fits in one line of a question on a terminal of 80 columns.
pub const MAX_NAME_CHARS: usize = 64;

/// Characters of the Unicode categories Cf, Zl and Zp, private use and non-characters: no glyph of their own, or one
/// that nobody can foresee.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{600}'..='\u{605}' | '\u{61C}' | '\u{6DD}' | '\u{70F}' | '\u{890}'..='\u{891}' | '\u{8E2}'
        | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{E000}'..='\u{F8FF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{FFFE}'..='\u{FFFF}'
        | '\u{110BD}' | '\u{110CD}' | '\u{13430}'..='\u{1345F}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{10FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn s020_control_and_bidi_characters_are_neutralised() {
        let shown = |text| UntrustedName::new(text).to_string();
        assert_eq!(shown("Kim Aalbers"), "Kim Aalbers");
        assert_eq!(UntrustedName::from("Kim\nAalbers").as_str(), "Kim Aalbers");
        assert_eq!(shown("Jürgen 漢字 Яна"), "Jürgen 漢字 Яна");
        assert_eq!(shown(" a\r\nb\tc  d\u{85}e "), "a b c d e");
        assert_eq!(shown("\u{1b}[2Jroot\u{7}"), "[2Jroot");
        assert_eq!(shown("\u{202E}mik\u{2066}\u{200F}"), "mik");
        assert_eq!(shown("a\u{200B}d\u{FEFF}m\u{E0041}in\u{2028}x"), "admin x");
    }

    #[test]
    fn a_name_of_nothing_visible_is_empty() {
        assert_eq!(UntrustedName::new("\u{200B} \u{202E}\0").as_str(), "");
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(UntrustedName::new(&"é".repeat(1000)).as_str().chars().count(), MAX_NAME_CHARS);
    }

    proptest! {
        #[test]
        fn s020_whatever_comes_in_one_clean_line_goes_out(text: String) {
            let name = UntrustedName::new(&text);
            prop_assert!(!name.as_str().chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert!(name.as_str().chars().count() <= MAX_NAME_CHARS);
            prop_assert_eq!(name.as_str().trim(), name.as_str());
            prop_assert_eq!(UntrustedName::new(name.as_str()), name);
        }
    }
}
