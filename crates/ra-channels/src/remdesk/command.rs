//! Commands on the inner channel `71`: one small XML element each.

/// What the novice says about control. Source: session-protocol.md 5.7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlNotice {
    /// ACCEPTRC: the user said yes.
    Granted,
    /// REJECTRC: the user said no or did not answer.
    Rejected,
    /// `DENIEDRC `: the settings forbid control; nobody was asked.
    Denied,
    /// ESCRC: the user took control back with ESC.
    RevokedByEsc,
    /// TAKECONTROL: the novice's side took control back in another way.
    Revoked,
}

/// A command that means something here. Voice commands of Windows XP do not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// REMOTECTRLSTART, expert to novice: asks for control. Version 1; version 2 asks on `encomsp`.
    RequestControl,
    /// REMOTECTRLEND, expert to novice: gives control back.
    ReleaseControl,
    /// ACCEPTRC, REJECTRC, `DENIEDRC `, ESCRC, TAKECONTROL, novice to expert.
    Control(ControlNotice),
    /// EXPERTIP, expert to novice, version 1: an address for the log.
    ExpertAddress(String),
    /// SETTINGANNOUNCE, both ways, version 3.
    Setting {
        /// Name of the setting.
        property: String,
        /// Its value.
        value: String,
    },
    /// FILEXFER, both ways: offers a file.
    OfferFile {
        /// The name that the peer gives the file. Untrusted text for show.
        name: String,
        /// Its size as the peer writes it.
        size: String,
        /// Where the answer is expected.
        channel: FileChannel,
        /// INTERNALDATA, an opaque attribute that some peers add.
        internal: Option<String>,
    },
}

/// Name of the inner channel of one file transfer: `RA_FX`, or digits and dots such as `1000.7` or `192.0.2.1.7`.
///
/// The peer chooses it and we write it back as a channel name, so nothing else is taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileChannel(String);

impl FileChannel {
    /// Takes a name of one of the known shapes, 31 characters at most.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let numbers = name.contains('.')
            && name.len() <= MAX_FILE_CHANNEL
            && name.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        (name == "RA_FX" || numbers).then(|| Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no `<RCCOMMAND .../>` element with a NAME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotCommand;

impl Command {
    /// Reads the element; `None` for a command that is not ours to answer.
    ///
    /// NAME is trimmed, since the specification writes `DENIEDRC ` with a blank and not everybody does.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, NotCommand> {
        let attributes = attributes(text)?;
        let value = |name: &str| attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        let owned = |name: &str| value(name).unwrap_or_default().to_owned();
        Ok(match value("NAME").ok_or(NotCommand)?.trim() {
            "REMOTECTRLSTART" => Some(Self::RequestControl),
            "REMOTECTRLEND" => Some(Self::ReleaseControl),
            "ACCEPTRC" => Some(Self::Control(ControlNotice::Granted)),
            "REJECTRC" => Some(Self::Control(ControlNotice::Rejected)),
            "DENIEDRC" => Some(Self::Control(ControlNotice::Denied)),
            "ESCRC" => Some(Self::Control(ControlNotice::RevokedByEsc)),
            "TAKECONTROL" => Some(Self::Control(ControlNotice::Revoked)),
            "EXPERTIP" => Some(Self::ExpertAddress(owned("EXPERTIPDATA"))),
            "SETTINGANNOUNCE" => Some(Self::Setting { property: owned("PROPERTY"), value: owned("VALUE") }),
            // An offer without a channel to answer on cannot be answered.
            "FILEXFER" => value("CHANNELID").and_then(FileChannel::parse).map(|channel| Self::OfferFile {
                name: owned("FILENAME"),
                size: owned("FILESIZE"),
                channel,
                internal: value("INTERNALDATA").map(str::to_owned),
            }),
            _ => None,
        })
    }

    /// Writes the element, without NUL.
    pub(super) fn to_xml(&self) -> String {
        let (name, more): (&str, Vec<(&str, &str)>) = match self {
            Self::RequestControl => ("REMOTECTRLSTART", vec![]),
            Self::ReleaseControl => ("REMOTECTRLEND", vec![]),
            Self::Control(ControlNotice::Granted) => ("ACCEPTRC", vec![]),
            Self::Control(ControlNotice::Rejected) => ("REJECTRC", vec![]),
            // The blank belongs to the name: Windows compares with it.
            Self::Control(ControlNotice::Denied) => ("DENIEDRC ", vec![]),
            Self::Control(ControlNotice::RevokedByEsc) => ("ESCRC", vec![]),
            Self::Control(ControlNotice::Revoked) => ("TAKECONTROL", vec![]),
            Self::ExpertAddress(address) => ("EXPERTIP", vec![("EXPERTIPDATA", address)]),
            Self::Setting { property, value } => ("SETTINGANNOUNCE", vec![("PROPERTY", property), ("VALUE", value)]),
            Self::OfferFile { name, size, channel, internal } => {
                let mut more = vec![("FILENAME", name.as_str()), ("FILESIZE", size), ("CHANNELID", channel.as_str())];
                more.extend(internal.as_deref().map(|data| ("INTERNALDATA", data)));
                ("FILEXFER", more)
            }
        };
        let mut xml = format!("<RCCOMMAND NAME=\"{name}\"");
        for (key, value) in more {
            xml.push(' ');
            xml.push_str(key);
            xml.push_str("=\"");
            escape(value, &mut xml);
            xml.push('"');
        }
        xml.push_str("/>");
        xml
    }
}

/// Reads the attributes of the one element that may stand here: no children, no entities but the five and numbers.
fn attributes(text: &str) -> Result<Vec<(&str, String)>, NotCommand> {
    let mut rest = text.trim().strip_prefix("<RCCOMMAND").ok_or(NotCommand)?;
    let mut found: Vec<(&str, String)> = Vec::new();
    loop {
        let inner = rest.trim_start();
        if matches!(inner, "/>" | "></RCCOMMAND>") {
            return Ok(found);
        }
        if inner.len() == rest.len() || found.len() == MAX_ATTRIBUTES {
            return Err(NotCommand);
        }
        let (name, behind) = inner.split_once('=').ok_or(NotCommand)?;
        let name = name.trim_end();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) || found.iter().any(|(n, _)| *n == name)
        {
            return Err(NotCommand);
        }
        let behind = behind.trim_start();
        let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or(NotCommand)?;
        let (value, behind) = behind[1..].split_once(quote).ok_or(NotCommand)?;
        if value.contains('<') {
            return Err(NotCommand);
        }
        found.push((name, unescape(value)));
        rest = behind;
    }
}

/// Puts characters back; an ampersand that starts no known entity stands for itself, since peers forget to escape it.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let known = rest.split_once(';').and_then(|(name, behind)| Some((entity(name)?, behind)));
        match known {
            Some((character, behind)) => {
                out.push(character);
                rest = behind;
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix("#x") {
            Some(hex) => number(hex, 16),
            None => number(name.strip_prefix('#')?, 10),
        },
    }
}

fn escape(value: &str, out: &mut String) {
    for character in value.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Attribute values lose raw line ends in an XML reader.
            '\u{1}'..='\u{1f}' => out.push_str(&format!("&#{};", u32::from(character))),
            _ => out.push(character),
        }
    }
}

/// Most UTF-16 units of a command: the longest holds a file name of 260 characters and a few short attributes.
pub const MAX_COMMAND_UNITS: usize = 4096;

/// The longest known command has five attributes.
const MAX_ATTRIBUTES: usize = 16;

/// Inner channel names take 64 bytes with NUL: 31 characters.
const MAX_FILE_CHANNEL: usize = 31;

/// What a file offer is answered with.
pub(super) const FILE_REJECT: &str = "FILEXFERREJECT";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denied_is_read_with_and_without_its_blank_and_written_with_it() {
        for text in ["<RCCOMMAND NAME=\"DENIEDRC \"/>", "<RCCOMMAND NAME=\"DENIEDRC\"/>"] {
            assert_eq!(Command::parse(text).unwrap(), Some(Command::Control(ControlNotice::Denied)));
        }
        assert_eq!(Command::Control(ControlNotice::Denied).to_xml(), "<RCCOMMAND NAME=\"DENIEDRC \"/>");
    }

    #[test]
    fn the_element_is_read_in_the_spellings_of_xml() {
        for text in [
            " <RCCOMMAND NAME='ESCRC'/>\r\n",
            "<RCCOMMAND NAME = \"ESCRC\" />",
            "<RCCOMMAND NAME=\"ESCRC\"></RCCOMMAND>",
            "<RCCOMMAND OTHER=\"1\" NAME=\"ESCRC\"/>",
        ] {
            assert_eq!(Command::parse(text).unwrap(), Some(Command::Control(ControlNotice::RevokedByEsc)), "{text}");
        }
    }

    #[test]
    fn what_is_no_element_is_an_error() {
        for text in [
            "",
            "ESCRC",
            "<RCCOMMAND/>",
            "<RCCOMMAND",
            "<RCCOMMANDNAME=\"ESCRC\"/>",
            "<RCCOMMAND NAME=ESCRC/>",
            "<RCCOMMAND NAME=\"ESCRC/>",
            "<RCCOMMAND NAME=\"ESCRC\" NAME=\"ACCEPTRC\"/>",
            "<RCCOMMAND NAME=\"ESCRC\"OTHER=\"1\"/>",
            "<RCCOMMAND NAME=\"ES<CRC\"/>",
            "<RCCOMMAND NAME=\"ESCRC\"/><RCCOMMAND NAME=\"ACCEPTRC\"/>",
        ] {
            assert_eq!(Command::parse(text), Err(NotCommand), "{text}");
        }
    }

    #[test]
    fn unknown_and_voice_commands_are_not_ours() {
        for name in ["PRESTART", "BANDWTOLOW", "acceptrc", "WHATEVER", ""] {
            assert_eq!(Command::parse(&format!("<RCCOMMAND NAME=\"{name}\"/>")).unwrap(), None, "{name}");
        }
    }

    #[test]
    fn an_offer_names_its_channel_or_is_no_offer() {
        let offer = |channel: &str| {
            format!("<RCCOMMAND NAME=\"FILEXFER\" FILENAME=\"a &amp; b & c\" FILESIZE=\"1\" CHANNELID=\"{channel}\"/>")
        };
        for channel in ["RA_FX", "1000.1234567890", "192.0.2.1.77"] {
            let Some(Command::OfferFile { name, channel: read, .. }) = Command::parse(&offer(channel)).unwrap() else {
                panic!("{channel} is a channel of file transfers")
            };
            assert_eq!(name, "a & b & c");
            assert_eq!(read.as_str(), channel);
        }
        for channel in ["", "RC_CTL", "70", "71", "1000.", "1..2", "1000.x", "1.2345678901234567890123456789012"] {
            assert_eq!(Command::parse(&offer(channel)).unwrap(), None, "{channel}");
        }
    }

    #[test]
    fn entities_are_put_back_and_the_rest_stands_for_itself() {
        assert_eq!(unescape("&lt;&#65;&#x42;&quot;&apos;&gt;&nbsp;&#xD800;&"), "<AB\"'>&nbsp;&#xD800;&");
    }
}
