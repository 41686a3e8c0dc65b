//! From the bytes of a file to text, and from places in that text back to places in the file.

use core::ops::Range;

/// The text of a file that remembers how it was encoded.
pub(crate) struct Text {
    text: String,
    encoding: Encoding,
    /// Where the text begins in the file: behind a byte order mark.
    start: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    Windows1252,
}

impl Text {
    /// Decides from the bytes alone (the declaration of an XP file names an encoding that does not exist) and
    /// drops NULs and white space at the end.
    ///
    /// The error is the place of a 16-bit character that is cut or half. Source: invitation-file.md 2.1.
    pub(crate) fn decode(file: &[u8]) -> Result<Self, Range<usize>> {
        let (encoding, start) = Encoding::of(file);
        let body = file.get(start..).unwrap_or_default();
        let mut text = match encoding {
            Encoding::Utf16Le => decode_utf16(body, start, u16::from_le_bytes)?,
            Encoding::Utf16Be => decode_utf16(body, start, u16::from_be_bytes)?,
            Encoding::Utf8 => String::from_utf8_lossy(body).into_owned(),
            Encoding::Windows1252 => body.iter().map(|&byte| windows_1252(byte)).collect(),
        };
        text.truncate(text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace()).len());
        Ok(Self { text, encoding, start })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The bytes of the file that a range of the text came from.
    pub(crate) fn in_file(&self, range: Range<usize>) -> Range<usize> {
        let place = |end: usize| {
            let before = self.text.char_indices().take_while(|&(at, _)| at < end).map(|(_, c)| c);
            self.start
                + match self.encoding {
                    Encoding::Utf8 => end.min(self.text.len()),
                    Encoding::Utf16Le | Encoding::Utf16Be => before.map(|c| c.len_utf16() * 2).sum(),
                    Encoding::Windows1252 => before.count(),
                }
        };
        let start = place(range.start);
        start..place(range.end).max(start)
    }
}

impl Encoding {
    /// The encoding and the length of the byte order mark.
    fn of(file: &[u8]) -> (Self, usize) {
        // White space in front of the first `<` does not hide the encoding of a file without a mark.
        let first = |low: usize, high: usize| {
            let mut units = file.chunks_exact(2).skip_while(|unit| unit[high] == 0 && unit[low].is_ascii_whitespace());
            units.next().is_some_and(|unit| unit[low] == b'<' && unit[high] == 0)
        };
        match file {
            [0xFF, 0xFE, ..] => (Self::Utf16Le, 2),
            [0xFE, 0xFF, ..] => (Self::Utf16Be, 2),
            [0xEF, 0xBB, 0xBF, ..] => (Self::utf8_or_windows(&file[3..]), 3),
            _ if first(0, 1) => (Self::Utf16Le, 0),
            _ if first(1, 0) => (Self::Utf16Be, 0),
            _ => (Self::utf8_or_windows(file), 0),
        }
    }

    fn utf8_or_windows(body: &[u8]) -> Self {
        if core::str::from_utf8(body).is_ok() { Self::Utf8 } else { Self::Windows1252 }
    }
}

fn decode_utf16(body: &[u8], start: usize, unit: fn([u8; 2]) -> u16) -> Result<String, Range<usize>> {
    let (units, rest) = body.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(start + body.len() - 1..start + body.len());
    }
    let mut text = String::with_capacity(body.len());
    let mut at = start;
    for character in char::decode_utf16(units.iter().copied().map(unit)) {
        let character = character.map_err(|_| at..at + 2)?;
        at += character.len_utf16() * 2;
        text.push(character);
    }
    Ok(text)
}

fn windows_1252(byte: u8) -> char {
    match byte {
        0x80..=0x9F => WINDOWS_1252_HIGH[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// 0x80 to 0x9F of Windows-1252; the five that it leaves open are control characters, as everywhere.
const WINDOWS_1252_HIGH: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn s004_each_encoding_of_a_text_editor_is_recognised() {
        let text = " \r\n<a b=\"Jürgen €\"/>";
        let le = utf16(text, u16::to_le_bytes);
        let be = utf16(text, u16::to_be_bytes);
        let windows: Vec<u8> = text
            .chars()
            .map(|c| match c {
                'ü' => 0xFC,
                '€' => 0x80,
                c => u8::try_from(c).unwrap(),
            })
            .collect();
        for (label, file) in [
            ("utf-8", text.as_bytes().to_vec()),
            ("utf-8 with mark", [b"\xEF\xBB\xBF", text.as_bytes()].concat()),
            ("utf-16le", le.clone()),
            ("utf-16le with mark", [&b"\xFF\xFE"[..], &le].concat()),
            ("utf-16be", be.clone()),
            ("utf-16be with mark", [&b"\xFE\xFF"[..], &be].concat()),
            ("windows-1252", windows),
            ("nuls at the end", [text.as_bytes(), b"\0\0 \r\n"].concat()),
        ] {
            assert_eq!(Text::decode(&file).unwrap_or_else(|_| panic!("{label}")).as_str(), text, "{label}");
        }
    }

    #[test]
    fn a_place_in_the_text_is_found_again_in_the_file() {
        let text = "<ü€😀 here/>";
        let at = text.find("here").unwrap();
        let le = [&b"\xFF\xFE"[..], &utf16(text, u16::to_le_bytes)].concat();
        let found = Text::decode(&le).unwrap().in_file(at..at + 4);
        assert_eq!(found, 14..22);
        assert_eq!(le[found], utf16("here", u16::to_le_bytes));
        let windows = b"<\xFC\x80 here/>";
        let decoded = Text::decode(windows).unwrap();
        let at = decoded.as_str().find("here").unwrap();
        assert_eq!(&windows[decoded.in_file(at..at + 4)], b"here");
    }

    #[test]
    fn half_a_character_is_an_error_with_its_place() {
        assert_eq!(Text::decode(b"\xFF\xFE<\0a").err(), Some(4..5));
        assert_eq!(Text::decode(b"\xFF\xFE<\0\x00\xD8a\0").err(), Some(4..6));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_within_the_file(file: Vec<u8>, range: (usize, usize)) {
            match Text::decode(&file) {
                Ok(text) => {
                    let place = text.in_file(range.0..range.1);
                    prop_assert!(place.start <= place.end && place.end <= file.len());
                }
                Err(place) => prop_assert!(place.end <= file.len()),
            }
        }
    }
}
