//! The bytes of `remdesk`: one complete channel PDU to a message and back.

use zeroize::Zeroizing;

use super::ResultCode;
use super::command::{Command, FILE_REJECT, FileChannel, MAX_COMMAND_UNITS};
use crate::wire::{
    BadUtf16, MAX_MESSAGE_BYTES, SecretBytes, SecretText, TextError, check_text, push_utf16, read_utf16,
    read_utf16_lossy, split_at_nul,
};

/// One message of the channel. Source: session-protocol.md 5.2 to 5.7, \[MS-RA\] 2.2.1 to 2.2.3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// REMOTE_CONTROL_DESKTOP (1), expert to novice, version 1: asks for the desktop.
    RemoteControlDesktop {
        /// The ticket's connection string; the novice ignores it.
        connection_string: SecretText,
    },
    /// RESULT (2), both ways: a verdict.
    Result(ResultCode),
    /// AUTHENTICATE (3), expert to novice, version 1: the proof of the password.
    Authenticate {
        /// The ticket's connection string, as the expert wrote it.
        connection_string: SecretText,
        /// The expert blob: name and PASS, not parsed here.
        expert_blob: SecretText,
    },
    /// SERVER_ANNOUNCE (4), novice to expert: the first word.
    ServerAnnounce,
    /// DISCONNECT (5), both ways.
    Disconnect,
    /// VERSIONINFO (6), both ways; an expert chooses version 1 with it.
    VersionInfo {
        /// 1 in every known implementation.
        major: u32,
        /// 2 in every implementation that is served.
        minor: u32,
    },
    /// ISCONNECTED (7), both ways, version 1: a sign of life that nobody needs.
    IsConnected,
    /// VERIFY_PASSWORD (8), expert to novice, version 2: the proof of the password.
    VerifyPassword {
        /// The expert blob: name and PASS, not parsed here.
        expert_blob: SecretText,
    },
    /// EXPERT_ON_VISTA (9), expert to novice: chooses version 2.
    ExpertOnVista {
        /// The PassStub encrypted with the password: evidence that the novice need not look at.
        encrypted_stub: SecretBytes,
    },
    /// RANOVICE_NAME (10), novice to expert, version 2. Untrusted text for show.
    NoviceName(String),
    /// RAEXPERT_NAME (11), expert to novice, version 2. Untrusted text for show.
    ExpertName(String),
    /// Chat, both ways. Untrusted text for show.
    Chat(String),
    /// A command on the inner channel `71`.
    Command(Command),
    /// FILEXFERREJECT on the channel of a file offer: the file is not wanted.
    FileRejected(FileChannel),
}

/// Why a channel PDU is no message: the peer broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemdeskError {
    /// The PDU is longer than [`MAX_MESSAGE_BYTES`].
    #[error("a remdesk message of {bytes} bytes exceeds {MAX_MESSAGE_BYTES}")]
    TooLong {
        /// Length of the PDU.
        bytes: usize,
    },
    /// The PDU ends before a field does.
    #[error("a remdesk message ends inside its {field}")]
    Truncated {
        /// Which field.
        field: &'static str,
    },
    /// The length of the inner channel's name is odd or outside 2..=64.
    #[error("the name of an inner channel cannot have {0} bytes")]
    NameLength(u32),
    /// A text has half a character at its end or in it.
    #[error("the {field} is not UTF-16")]
    NotText {
        /// Which text.
        field: &'static str,
    },
    /// A text is longer than its field may be.
    #[error("the {field} is longer than {limit} UTF-16 units")]
    TextTooLong {
        /// Which text.
        field: &'static str,
        /// The most units it may have.
        limit: usize,
    },
    /// AUTHENTICATE holds no expert blob.
    #[error("the AUTHENTICATE message holds no expert blob")]
    NoExpertBlob,
    /// The text on the inner channel `71` is no RCCOMMAND element.
    #[error("a command is not an RCCOMMAND element")]
    NotCommand,
    /// More messages than an honest peer sends arrived at once.
    #[error("more messages arrived at once than anybody needs")]
    Flood,
}

impl RemdeskError {
    /// The code that a novice answers with before it closes: 24 for a message that cannot be read, else 32.
    #[must_use]
    pub fn result_code(&self) -> ResultCode {
        match self {
            Self::TooLong { .. } | Self::Flood => ResultCode::ProtocolError,
            Self::Truncated { .. }
            | Self::NameLength(_)
            | Self::NotText { .. }
            | Self::TextTooLong { .. }
            | Self::NoExpertBlob
            | Self::NotCommand => ResultCode::InvalidParameterString,
        }
    }
}

/// Reads one complete, dechunked channel PDU.
///
/// `None` is what is well-formed and not for us: an unknown inner channel or message type, TOKEN of version 3, voice
/// commands of Windows XP, blocks of a file that nobody accepted. Bytes after the message are ignored, as FreeRDP does.
///
/// # Errors
///
/// [`RemdeskError`] when the peer broke the protocol.
pub fn decode(pdu: &[u8]) -> Result<Option<Message>, RemdeskError> {
    if pdu.len() > MAX_MESSAGE_BYTES {
        return Err(RemdeskError::TooLong { bytes: pdu.len() });
    }
    let (name_length, rest) = take_u32(pdu, "header")?;
    let (data_length, rest) = take_u32(rest, "header")?;
    if !name_length.is_multiple_of(2) || !(2..=MAX_CHANNEL_NAME_BYTES).contains(&name_length) {
        return Err(RemdeskError::NameLength(name_length));
    }
    let (name, rest) = take(rest, name_length, "channel name")?;
    let (data, _surplus) = take(rest, data_length, "data")?;
    match read_shown(name, "channel name", usize::MAX)?.as_str() {
        // [MS-RA] 2.2.1.2 names the control channel both ways.
        CONTROL | "remdesk" => control(data),
        CHAT => Ok(Some(Message::Chat(read_shown(data, "chat text", usize::MAX)?))),
        COMMAND => {
            let text = read_shown(data, "command", MAX_COMMAND_UNITS)?;
            Ok(Command::parse(&text).map_err(|_| RemdeskError::NotCommand)?.map(Message::Command))
        }
        other => Ok(file_message(other, data)),
    }
}

impl Message {
    /// Writes the channel PDU. Every text gets its NUL, which FreeRDP's shadow server insists on.
    ///
    /// # Errors
    ///
    /// [`TextError`] when a text of the caller is too long for its field or holds a NUL.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, TextError> {
        Ok(match self {
            Self::RemoteControlDesktop { connection_string } => {
                encode_control(1, &nul_terminated(&[(connection_string.expose(), "connection string")])?)
            }
            Self::Result(code) => encode_result(*code),
            Self::Authenticate { connection_string, expert_blob } => encode_control(
                3,
                &nul_terminated(&[
                    (connection_string.expose(), "connection string"),
                    (expert_blob.expose(), "expert blob"),
                ])?,
            ),
            Self::ServerAnnounce => encode_server_announce(),
            Self::Disconnect => encode_disconnect(),
            Self::VersionInfo { major, minor } => encode_version(*major, *minor),
            Self::IsConnected => encode_control(7, &[]),
            Self::VerifyPassword { expert_blob } => {
                encode_control(8, &nul_terminated(&[(expert_blob.expose(), "expert blob")])?)
            }
            Self::ExpertOnVista { encrypted_stub } => {
                let stub = encrypted_stub.expose();
                if stub.len() > MAX_STUB_BYTES {
                    return Err(TextError::TooLong { field: "encrypted stub", limit: MAX_STUB_BYTES });
                }
                encode_control(9, stub)
            }
            Self::NoviceName(name) => encode_control(10, &shown(name, "name", MAX_NAME_UNITS)?),
            Self::ExpertName(name) => encode_control(11, &shown(name, "name", MAX_NAME_UNITS)?),
            Self::Chat(text) => frame(CHAT, &[], &shown(text, "chat text", MAX_CHAT_UNITS)?),
            Self::Command(command) => frame(COMMAND, &[], &shown(&command.to_xml(), "command", MAX_COMMAND_UNITS)?),
            Self::FileRejected(channel) => encode_file_reject(channel),
        })
    }
}

pub(crate) fn encode_server_announce() -> Zeroizing<Vec<u8>> {
    encode_control(4, &[])
}

pub(crate) fn encode_disconnect() -> Zeroizing<Vec<u8>> {
    encode_control(5, &[])
}

pub(crate) fn encode_version(major: u32, minor: u32) -> Zeroizing<Vec<u8>> {
    encode_control(6, &[major.to_le_bytes(), minor.to_le_bytes()].concat())
}

pub(crate) fn encode_result(code: ResultCode) -> Zeroizing<Vec<u8>> {
    encode_control(2, &code.number().to_le_bytes())
}

/// Writes a command that holds no text of anybody else's, and therefore cannot be too long.
pub(crate) fn encode_fixed_command(command: &Command) -> Zeroizing<Vec<u8>> {
    frame(COMMAND, &[], &with_nul(&command.to_xml()))
}

pub(crate) fn encode_file_reject(channel: &FileChannel) -> Zeroizing<Vec<u8>> {
    frame(channel.as_str(), &[], &with_nul(FILE_REJECT))
}

fn control(data: &[u8]) -> Result<Option<Message>, RemdeskError> {
    let (kind, body) = take_u32(data, "message type")?;
    Ok(Some(match kind {
        1 => Message::RemoteControlDesktop { connection_string: secret(split_at_nul(body).0, "connection string")? },
        2 => Message::Result(take_u32(body, "RESULT code")?.0.into()),
        3 => authenticate(body)?,
        4 => Message::ServerAnnounce,
        5 => Message::Disconnect,
        6 => {
            let (major, rest) = take_u32(body, "version")?;
            let (minor, _surplus) = take_u32(rest, "version")?;
            Message::VersionInfo { major, minor }
        }
        7 => Message::IsConnected,
        8 => Message::VerifyPassword { expert_blob: secret(split_at_nul(body).0, "expert blob")? },
        9 => Message::ExpertOnVista { encrypted_stub: without_length(body).into() },
        10 => Message::NoviceName(read_shown(without_length(body), "name", MAX_NAME_UNITS)?),
        11 => Message::ExpertName(read_shown(without_length(body), "name", MAX_NAME_UNITS)?),
        // 12 is TOKEN of version 3, which is not spoken here.
        _ => return Ok(None),
    }))
}

/// Splits AUTHENTICATE: by its NULs, or where FreeRDP 3 leaves them out by the shape of an expert blob.
fn authenticate(body: &[u8]) -> Result<Message, RemdeskError> {
    let (head, rest) = split_at_nul(body);
    if let Some(rest) = rest.filter(|rest| !rest.is_empty()) {
        return Ok(Message::Authenticate {
            connection_string: secret(head, "connection string")?,
            expert_blob: secret(split_at_nul(rest).0, "expert blob")?,
        });
    }
    let both = read_utf16(head).map_err(|_: BadUtf16| RemdeskError::NotText { field: "AUTHENTICATE text" })?;
    let at = start_of_blob(&both).ok_or(RemdeskError::NoExpertBlob)?;
    Ok(Message::Authenticate { connection_string: both[..at].into(), expert_blob: both[at..].into() })
}

/// Where the expert blob starts in a text that runs the connection string and the blob together.
///
/// That is the first `digits;NAME=`. When the connection string ends in digits itself, only some of them count the
/// characters of the pair: those whose count leads to the end or to the next pair.
fn start_of_blob(text: &str) -> Option<usize> {
    let (semicolon, first_digit) = text.match_indices(";NAME=").find_map(|(at, _)| {
        let digits = text[..at].bytes().rev().take_while(u8::is_ascii_digit).count();
        (digits > 0).then_some((at, at - digits))
    })?;
    let pair = &text[semicolon + 1..];
    let counted = (first_digit.max(semicolon.saturating_sub(MAX_COUNT_DIGITS))..semicolon).find(|&start| {
        let digits = &text[start..semicolon];
        !digits.starts_with('0') && digits.parse().is_ok_and(|count| ends_a_pair(pair, count))
    });
    Some(counted.unwrap_or(first_digit))
}

/// Whether `count` UTF-16 units (the specification) or bytes of UTF-8 (FreeRDP) of `text` are followed by the end or by
/// the count of another pair.
fn ends_a_pair(text: &str, count: usize) -> bool {
    let mut units = 0;
    let by_units = text.char_indices().find_map(|(at, character)| {
        if units >= count {
            return Some(at);
        }
        units += character.len_utf16();
        None
    });
    let by_units = by_units.unwrap_or(if units >= count { text.len() } else { usize::MAX });
    [by_units, count].into_iter().filter_map(|at| text.get(at..)).any(|rest| {
        rest.is_empty()
            || rest.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(';') && !rest.starts_with(';')
    })
}

fn file_message(name: &str, data: &[u8]) -> Option<Message> {
    let channel = FileChannel::parse(name)?;
    let text = read_utf16_lossy(split_at_nul(data).0).ok()?;
    (text == FILE_REJECT).then_some(Message::FileRejected(channel))
}

/// Drops the u32 length in front of a BSTR; FreeRDP writes none, and \[MS-RA\] leaves it open.
///
/// The length counts the bytes behind it, with or without a closing NUL, or their UTF-16 units. It is told from raw text
/// by its upper half: that would be a NUL as the second character.
fn without_length(body: &[u8]) -> &[u8] {
    let Some((prefix, rest)) = body.split_first_chunk::<4>() else { return body };
    let length = u64::from(u32::from_le_bytes(*prefix));
    let here = rest.len() as u64;
    if length == here || (here > 0 && (length + 2 == here || length * 2 == here || (length + 1) * 2 == here)) {
        rest
    } else {
        body
    }
}

fn secret(bytes: &[u8], field: &'static str) -> Result<SecretText, RemdeskError> {
    read_utf16(bytes).map(SecretText::wrap).map_err(|_| RemdeskError::NotText { field })
}

/// Reads text for show up to its NUL or its end.
fn read_shown(bytes: &[u8], field: &'static str, limit: usize) -> Result<String, RemdeskError> {
    let (text, _) = split_at_nul(bytes);
    if text.len() / 2 > limit {
        return Err(RemdeskError::TextTooLong { field, limit });
    }
    read_utf16_lossy(text).map_err(|_| RemdeskError::NotText { field })
}

fn take<'a>(bytes: &'a [u8], length: u32, field: &'static str) -> Result<(&'a [u8], &'a [u8]), RemdeskError> {
    usize::try_from(length)
        .ok()
        .and_then(|length| bytes.split_at_checked(length))
        .ok_or(RemdeskError::Truncated { field })
}

fn take_u32<'a>(bytes: &'a [u8], field: &'static str) -> Result<(u32, &'a [u8]), RemdeskError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(RemdeskError::Truncated { field })?;
    Ok((u32::from_le_bytes(*number), rest))
}

fn encode_control(kind: u32, body: &[u8]) -> Zeroizing<Vec<u8>> {
    frame(CONTROL, &kind.to_le_bytes(), body)
}

/// Writes the header and the data; all data here is bounded by the limits below, far under `u32::MAX`.
fn frame(channel: &str, kind: &[u8], body: &[u8]) -> Zeroizing<Vec<u8>> {
    let name_length = 2 * (channel.encode_utf16().count() + 1);
    let data_length = kind.len() + body.len();
    // All at once, so that growing leaves no copy of a secret behind.
    let mut out = Zeroizing::new(Vec::with_capacity(8 + name_length + data_length));
    out.extend((name_length as u32).to_le_bytes());
    out.extend((data_length as u32).to_le_bytes());
    push_utf16(&mut out, channel);
    out.extend([0, 0]);
    out.extend(kind);
    out.extend(body);
    out
}

fn nul_terminated(texts: &[(&str, &'static str)]) -> Result<Zeroizing<Vec<u8>>, TextError> {
    let mut units = 0;
    for (text, field) in texts {
        units += check_text(text, field, MAX_SECRET_UNITS)? + 1;
    }
    let mut out = Zeroizing::new(Vec::with_capacity(2 * units));
    for (text, _) in texts {
        push_utf16(&mut out, text);
        out.extend([0, 0]);
    }
    Ok(out)
}

fn shown(text: &str, field: &'static str, limit: usize) -> Result<Vec<u8>, TextError> {
    check_text(text, field, limit)?;
    Ok(with_nul(text))
}

fn with_nul(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * text.len() + 2);
    push_utf16(&mut out, text);
    out.extend([0, 0]);
    out
}

/// Most UTF-16 units of a participant's name, without NUL: the limit that \[MS-RDPEMC\] sets for names on the sister
/// channel. A longer one from the wire is an error.
pub const MAX_NAME_UNITS: usize = 1024;

/// Most UTF-16 units of a chat text of ours, without NUL: 1024 bytes with it, the limit of version 2. From the wire any
/// text that fits into a message is taken, since version 1 knows no limit.
pub const MAX_CHAT_UNITS: usize = 511;

/// Inner channel names take 64 bytes with NUL at most. Source: session-protocol.md 5.1.
const MAX_CHANNEL_NAME_BYTES: u32 = 64;

/// Most UTF-16 units of a connection string or an expert blob of ours: two of them still fit into one message.
const MAX_SECRET_UNITS: usize = 16_000;

/// A PassStub has 14 characters and its encrypted form 32 bytes; this is generous and keeps a message small.
const MAX_STUB_BYTES: usize = 1024;

/// A count of characters within a 64 KiB message has at most five digits.
const MAX_COUNT_DIGITS: usize = 5;

const CONTROL: &str = "RC_CTL";
const CHAT: &str = "70";
const COMMAND: &str = "71";

#[cfg(test)]
mod tests {
    use super::*;

    fn run_together(text: &str) -> Result<Option<Message>, RemdeskError> {
        let mut body = Vec::new();
        push_utf16(&mut body, text);
        decode(&encode_control(3, &body))
    }

    #[test]
    fn an_unterminated_authenticate_is_split_before_the_count() {
        for (connection_string, blob) in [
            ("65538,1,a,*,b,*,*,c=", "11;NAME=Expert"),
            ("65538,1,a,*,b,*,*,c7", "11;NAME=Expert69;PASS=AB"),
            ("65538,1,a,*,b,*,*,c0", "11;NAME=Expert"),
            ("65538,1,a,*,b,*,*,1234567890", "11;NAME=Expert"),
            // FreeRDP counts bytes of UTF-8, the specification UTF-16 units.
            ("65538,1,c1", "12;NAME=J\u{fc}rgen69;PASS=AB"),
            ("65538,1,c1", "11;NAME=J\u{fc}rgen69;PASS=AB"),
            // No count fits: all digits are taken for it.
            ("65538,1,c", "99;NAME=Expert"),
        ] {
            let expected =
                Message::Authenticate { connection_string: connection_string.into(), expert_blob: blob.into() };
            assert_eq!(run_together(&format!("{connection_string}{blob}")), Ok(Some(expected)), "{connection_string}");
        }
        for text in ["", "65538,1,a", "65538,1,a;NAME=Expert", "11;name=Expert"] {
            assert_eq!(run_together(text), Err(RemdeskError::NoExpertBlob), "{text}");
        }
    }

    #[test]
    fn what_is_not_for_us_is_no_error() {
        for pdu in [
            frame("X", &[], &[1]),
            frame("RC_CTL\u{e9}", &[], &[]),
            frame("RA_FX", &[], &[1, 2, 3]),
            encode_control(12, &[0; 20]),
            encode_control(u32::MAX, &[]),
            frame("71", &[], &with_nul("<RCCOMMAND NAME=\"PRESTART\"/>")),
        ] {
            assert_eq!(decode(&pdu), Ok(None));
        }
    }

    #[test]
    fn the_control_channel_has_two_names() {
        assert_eq!(decode(&frame("remdesk", &[], &5_u32.to_le_bytes())), Ok(Some(Message::Disconnect)));
    }

    #[test]
    fn lengths_are_checked_before_they_are_used() {
        use RemdeskError as E;
        let message = encode_result(ResultCode::NoError);
        let with =
            |name: u32, data: u32| decode(&[&name.to_le_bytes()[..], &data.to_le_bytes(), &message[8..]].concat());
        for length in [0, 1, 3, 66, u32::MAX] {
            assert_eq!(with(length, 8), Err(E::NameLength(length)));
        }
        assert_eq!(with(14, u32::MAX), Err(E::Truncated { field: "data" }));
        assert_eq!(with(14, 9), Err(E::Truncated { field: "data" }));
        assert_eq!(with(64, 8), Err(E::Truncated { field: "channel name" }));
        assert_eq!(with(14, 7), Err(E::Truncated { field: "RESULT code" }));
        assert_eq!(with(14, 3), Err(E::Truncated { field: "message type" }));
        assert_eq!(decode(&[0; 7]), Err(E::Truncated { field: "header" }));
        let long = vec![0; MAX_MESSAGE_BYTES + 1];
        assert_eq!(decode(&long), Err(E::TooLong { bytes: long.len() }));
    }

    #[test]
    fn limits_hold_for_what_we_write_and_for_what_we_read() {
        let too_long = |limit| {
            Err(TextError::TooLong { field: if limit == MAX_CHAT_UNITS { "chat text" } else { "name" }, limit })
        };
        assert!(Message::Chat("c".repeat(511)).encode().is_ok_and(|pdu| pdu.len() == 14 + 1024));
        assert_eq!(Message::Chat("c".repeat(512)).encode(), too_long(MAX_CHAT_UNITS));
        assert_eq!(Message::Chat("\u{1f642}".repeat(256)).encode(), too_long(MAX_CHAT_UNITS), "units, not characters");
        assert!(Message::ExpertName("n".repeat(1024)).encode().is_ok());
        assert_eq!(Message::ExpertName("n".repeat(1025)).encode(), too_long(MAX_NAME_UNITS));
        assert_eq!(Message::Chat("a\0b".into()).encode(), Err(TextError::HoldsNul { field: "chat text" }));

        let address = |length| Message::Command(Command::ExpertAddress("1".repeat(length))).encode();
        let element = "<RCCOMMAND NAME=\"EXPERTIP\" EXPERTIPDATA=\"\"/>".len();
        let longest = address(MAX_COMMAND_UNITS - element).unwrap();
        assert!(decode(&longest).is_ok());
        let too_long_command = TextError::TooLong { field: "command", limit: MAX_COMMAND_UNITS };
        assert_eq!(address(MAX_COMMAND_UNITS - element + 1), Err(too_long_command));
        let command = frame(COMMAND, &[], &with_nul(&"x".repeat(MAX_COMMAND_UNITS + 1)));
        assert_eq!(decode(&command), Err(RemdeskError::TextTooLong { field: "command", limit: MAX_COMMAND_UNITS }));

        let name = encode_control(11, &with_nul(&"n".repeat(1025)));
        assert_eq!(decode(&name), Err(RemdeskError::TextTooLong { field: "name", limit: 1024 }));
        // Version 1 knows no limit for chat.
        let chat = frame(CHAT, &[], &with_nul(&"c".repeat(32_000)));
        assert!(matches!(decode(&chat), Ok(Some(Message::Chat(text))) if text.len() == 32_000));
    }

    #[test]
    fn every_error_has_a_code_to_answer_with() {
        assert_eq!(RemdeskError::NotCommand.result_code(), ResultCode::InvalidParameterString);
        assert_eq!(RemdeskError::TooLong { bytes: 1 << 20 }.result_code(), ResultCode::ProtocolError);
    }
}
