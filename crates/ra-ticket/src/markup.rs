//! The little XML that invitations and connection strings are made of: elements and attributes, nothing else.
//!
//! No document type, no entity but the five and character references, no processing instruction, no text. What is
//! left cannot grow when it is read.

use core::fmt::{self, Write as _};
use core::ops::Range;

use quick_xml::Reader;
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesStart, Event};

/// What is wrong with the XML of an invitation or a connection string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MarkupProblem {
    /// A tag or an attribute that is not well-formed or not finished.
    #[error("broken XML: {0}")]
    Syntax(String),
    /// The file ends before an element is closed.
    #[error("broken XML: the element is not closed")]
    Unclosed,
    /// Something other than one element on the outside.
    #[error("it does not consist of one XML element")]
    Root,
    /// `<!DOCTYPE`.
    #[error("a document type declaration is not allowed")]
    Doctype,
    /// `<?...?>` other than the declaration at the beginning.
    #[error("a processing instruction is not allowed")]
    ProcessingInstruction,
    /// Text between the tags.
    #[error("text outside of attributes is not allowed")]
    Text,
    /// More than 8 elements in each other.
    #[error("the XML is nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// More than 256 elements.
    #[error("the XML has more than {MAX_ELEMENTS} elements")]
    Elements,
    /// More than 64 attributes in one element.
    #[error("the element has more than {MAX_ATTRIBUTES} attributes")]
    Attributes,
    /// The same attribute twice, whatever its letter case.
    #[error("the attribute {0} is given twice")]
    Duplicate(String),
    /// A `&` that begins none of the five entities and no character reference.
    #[error("an ampersand that begins no known entity; it is written &amp;")]
    Entity,
    /// A character that XML cannot hold, or a `<` in an attribute.
    #[error("a character that is not allowed in an attribute")]
    Character,
}

/// A problem and its place in the text.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) problem: MarkupProblem,
    pub(crate) span: Range<usize>,
}

/// One start tag.
#[derive(Debug)]
pub(crate) struct Element<'a> {
    pub(crate) name: &'a str,
    /// Index of the element that this one is in.
    pub(crate) parent: Option<usize>,
    /// The tag, from `<` to `>`.
    pub(crate) span: Range<usize>,
    attributes: Vec<Attribute<'a>>,
}

/// One attribute, its value as it stands in the text.
#[derive(Debug)]
pub(crate) struct Attribute<'a> {
    name: &'a str,
    raw: &'a str,
    pub(crate) span: Range<usize>,
}

/// What an ampersand may stand for in an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ampersand {
    /// The begin of a reference.
    Reference,
    /// A reference, or itself: some writers do not escape a PassStub.
    OrItself,
}

/// Prints a text as the value of an attribute in double quotes, in ASCII only.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                ' '..='~' => f.write_char(character)?,
                _ => write!(f, "&#{};", u32::from(character))?,
            }
        }
        Ok(())
    }
}

/// Reads all elements of a text in the order of their start tags.
pub(crate) fn elements(text: &str) -> Result<Vec<Element<'_>>, Fault> {
    // The reader would drop a second byte order mark and count every place wrongly.
    if text.starts_with('\u{FEFF}') {
        return Err(Fault { problem: MarkupProblem::Root, span: 0..'\u{FEFF}'.len_utf8() });
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut elements: Vec<Element<'_>> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let start = position(reader.buffer_position());
        let event = reader.read_event().map_err(|error| {
            let at = position(reader.error_position()).min(text.len().saturating_sub(1));
            Fault { problem: MarkupProblem::Syntax(error.to_string()), span: at..at + 1 }
        })?;
        let span = start..position(reader.buffer_position());
        let fault = |problem| Err(Fault { problem, span: span.clone() });
        match event {
            Event::Start(ref tag) | Event::Empty(ref tag) => {
                if open.is_empty() && !elements.is_empty() {
                    return fault(MarkupProblem::Root);
                }
                if open.len() == MAX_DEPTH {
                    return fault(MarkupProblem::Depth);
                }
                if elements.len() == MAX_ELEMENTS {
                    return fault(MarkupProblem::Elements);
                }
                elements.push(Element::read(text, tag, open.last().copied(), span)?);
                if matches!(event, Event::Start(_)) {
                    open.push(elements.len() - 1);
                }
            }
            // The reader has checked that it closes what is open.
            Event::End(_) => drop(open.pop()),
            Event::Text(ref content) if content.trim_ascii().is_empty() => {}
            Event::Text(_) if open.is_empty() => return fault(MarkupProblem::Root),
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => return fault(MarkupProblem::Text),
            Event::Decl(_) if text.get(..start).is_some_and(|before| before.trim_ascii().is_empty()) => {}
            Event::Decl(_) | Event::PI(_) => return fault(MarkupProblem::ProcessingInstruction),
            Event::DocType(_) => return fault(MarkupProblem::Doctype),
            Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    match open.last().and_then(|&index| elements.get(index)) {
        Some(unclosed) => Err(Fault { problem: MarkupProblem::Unclosed, span: unclosed.span.clone() }),
        None if elements.is_empty() => Err(Fault { problem: MarkupProblem::Root, span: 0..text.len().min(1) }),
        None => Ok(elements),
    }
}

impl<'a> Element<'a> {
    fn read(text: &'a str, tag: &BytesStart<'_>, parent: Option<usize>, span: Range<usize>) -> Result<Self, Fault> {
        let name = within(text, tag.name().as_ref(), &span);
        let mut attributes: Vec<Attribute<'a>> = Vec::new();
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| {
                // Positions count from behind the `<`.
                let at = (span.start + 1 + attribute_error_position(&error)).min(span.end.saturating_sub(1));
                Fault { problem: MarkupProblem::Syntax(error.to_string()), span: at..at + 1 }
            })?;
            let name = within(text, attribute.key.as_ref(), &span);
            let raw = within(text, &attribute.value, &span);
            let attribute = Attribute { name: &text[name.clone()], raw: &text[raw.clone()], span: raw };
            if attributes.iter().any(|other| other.name.eq_ignore_ascii_case(attribute.name)) {
                return Err(Fault { problem: MarkupProblem::Duplicate(attribute.name.to_owned()), span: name });
            }
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(Fault { problem: MarkupProblem::Attributes, span });
            }
            attributes.push(attribute);
        }
        Ok(Self { name: &text[name], parent, span, attributes })
    }

    /// The attribute of this name, in any letter case: the KB article and the specifications disagree on it.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

impl Attribute<'_> {
    /// The value with its references replaced and its white space made blanks.
    pub(crate) fn value(&self, ampersand: Ampersand) -> Result<String, Fault> {
        let fault = |problem, at: usize, length: usize| {
            let start = self.span.start + at;
            Err(Fault { problem, span: start..start + length })
        };
        let mut value = String::with_capacity(self.raw.len());
        let mut at = 0;
        while let Some(next) = self.raw[at..].chars().next() {
            let mut length = next.len_utf8();
            match next {
                '\t' | '\n' | '\r' => value.push(' '),
                '&' => match reference(&self.raw[at..]) {
                    Some((character, consumed)) => {
                        value.push(character);
                        length = consumed;
                    }
                    None if ampersand == Ampersand::OrItself => value.push('&'),
                    None => return fault(MarkupProblem::Entity, at, length),
                },
                '<' => return fault(MarkupProblem::Character, at, length),
                _ if !is_xml_character(next) => return fault(MarkupProblem::Character, at, length),
                _ => value.push(next),
            }
            at += length;
        }
        Ok(value)
    }

    /// Where a range of [`Attribute::value`] stands in the text; the whole value if references stand between.
    pub(crate) fn place(&self, value: &str, range: Range<usize>) -> Range<usize> {
        if value.len() != self.raw.len() {
            return self.span.clone();
        }
        let end = |at: usize| self.span.start + at.min(value.len());
        end(range.start)..end(range.end)
    }
}

/// The deepest nesting that is followed; genuine ones have four. Source: invitation-file.md 7.
pub(crate) const MAX_DEPTH: usize = 8;
/// The most elements; genuine ones have about ten, and the most that is ever looked at is 32 listeners.
pub(crate) const MAX_ELEMENTS: usize = 256;
/// The most attributes of one element; genuine ones have eight, and each is compared with every other.
pub(crate) const MAX_ATTRIBUTES: usize = 64;

/// The character that a reference at the beginning of `text` stands for, and the length of the reference.
fn reference(text: &str) -> Option<(char, usize)> {
    // The longest is &#x10FFFF; and leading zeros are nobody's habit.
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let character = match text.get(1..end)? {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        other => {
            let number = other.strip_prefix('#')?;
            let (digits, radix) = match number.strip_prefix(['x', 'X']) {
                Some(digits) => (digits, 16),
                None => (number, 10),
            };
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let code = u32::from_str_radix(digits, radix).ok().filter(|_| plain)?;
            char::from_u32(code).filter(|&c| is_xml_character(c))?
        }
    };
    Some((character, end + 1))
}

fn is_xml_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Where `part`, which the reader borrowed from `text`, stands in it; the whole tag should it not be a part.
fn within(text: &str, part: &str, tag: &Range<usize>) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
    let range = start..start.wrapping_add(part.len());
    if text.get(range.clone()).is_some_and(|found| found == part) { range } else { tag.clone() }
}

fn position(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

fn attribute_error_position(error: &AttrError) -> usize {
    match *error {
        AttrError::ExpectedEq(at)
        | AttrError::ExpectedValue(at)
        | AttrError::UnquotedValue(at)
        | AttrError::ExpectedQuote(at, _)
        | AttrError::Duplicated(at, _) => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_an_attribute_or_a_tag_is_escaped() {
        let written = Escaped("a<b>&\"c\" d~\u{7f}\u{1F600}\n").to_string();
        assert_eq!(written, "a&lt;b&gt;&amp;&quot;c&quot; d~&#127;&#128512;&#10;");
    }

    #[test]
    fn white_space_in_an_attribute_is_blanks() {
        let elements = elements("<a b='1\t2\n3\r4'/>").unwrap();
        assert_eq!(elements[0].attribute("B").unwrap().value(Ampersand::Reference).unwrap(), "1 2 3 4");
    }

    #[test]
    fn a_broken_attribute_is_pointed_at() {
        for (text, place) in [("  <abc def>", 10..11), ("  <abc def=ghi>", 11..12), ("  <abc def='1' ghi='2>", 2..3)] {
            let fault = elements(text).unwrap_err();
            assert!(matches!(fault.problem, MarkupProblem::Syntax(_)));
            assert_eq!(fault.span, place, "{text}");
        }
    }
}
