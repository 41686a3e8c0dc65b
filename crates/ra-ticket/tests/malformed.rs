//! Every row of the table of limits and malformed input: refused with a sentence and the place, or put up with.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use ra_ticket::{
    ConnectionString2, ConnectionStringProblem, EndpointError, Invitation, Kind, MarkupProblem, PassStubError, Problem,
    RcTicket, RcTicketProblem, SessionIdError,
};

const RC: &str = "65538,1,192.0.2.17:50312;h:1,*,abcd,*,*,4K0DX3eDf294AICiDclE420wQoQ=";
const LH: &str = "BD50EA33818F66E7DF308ADD279FC573";

fn file(attributes: &str) -> String {
    format!("<?xml version=\"1.0\"?>\r\n<UPLOADINFO TYPE=\"Escalated\"><UPLOADDATA {attributes}/></UPLOADINFO>")
}

/// What is said of a file, and the piece of it that is pointed at.
fn refused(file: impl AsRef<[u8]>) -> (Problem, String) {
    let file = file.as_ref();
    let error = Invitation::parse(file).unwrap_err();
    let message = error.to_string();
    assert!(
        message.starts_with(|c: char| c.is_lowercase() || message[..2].chars().all(char::is_alphabetic)),
        "{message}"
    );
    assert!(!message.ends_with('.') && !message.contains('\n'), "{message}");
    let place = error.span().map_or(String::new(), |span| {
        assert!(span.start < span.end && span.end <= file.len(), "{span:?} of {}: {message}", file.len());
        String::from_utf8_lossy(&file[span]).into_owned()
    });
    (error.problem().clone(), place)
}

fn refused_rc(ticket: &str) -> (RcTicketProblem, String) {
    let error = ticket.parse::<RcTicket>().unwrap_err();
    (*error.problem(), ticket.get(error.span()).unwrap_or_default().to_owned())
}

fn refused_markup(file: impl AsRef<[u8]>) -> (MarkupProblem, String) {
    match refused(file) {
        (Problem::Markup(problem), place) => (problem, place),
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_large_is_refused_before_parsing() {
    let mut large = file(&format!("RCTICKET=\"{RC}\"")).into_bytes();
    large.resize(64 * 1024, b' ');
    assert!(Invitation::parse(&large).is_ok());
    large.push(b' ');
    assert_eq!(refused(&large), (Problem::TooLarge, String::new()));
}

#[test]
fn what_is_not_an_invitation_says_so() {
    assert_eq!(refused("").0, Problem::Empty);
    assert_eq!(refused(" \r\n\0").0, Problem::Empty);
    assert_eq!(refused("\u{FEFF}").0, Problem::Empty);
    assert_eq!(refused_markup("hello"), (MarkupProblem::Root, "hello".into()));
    assert_eq!(refused("<html></html>"), (Problem::NotAnInvitation, "<html>".into()));
    assert_eq!(refused_markup("<?xml version=\"1.0\"?>").0, MarkupProblem::Root);
    assert_eq!(refused("<UPLOADINFO TYPE=\"Escalated\"/>").0, Problem::NoData);
    let nested = "<UPLOADINFO TYPE=\"Escalated\"><x><UPLOADDATA/></x></UPLOADINFO>";
    assert_eq!(refused(nested).0, Problem::NoData);
    let twice = "<UPLOADINFO TYPE=\"Escalated\"><UPLOADDATA a='1'/><UPLOADDATA/></UPLOADINFO>";
    assert_eq!(refused(twice), (Problem::SeveralData, "<UPLOADDATA/>".into()));
    assert_eq!(refused(b"\xFF\xFE<\0U").0, Problem::Encoding);
}

#[test]
fn broken_xml_says_where() {
    let good = file(&format!("RCTICKET=\"{RC}\""));
    let (problem, place) = refused_markup(&good[..good.len() - 20]);
    assert!(matches!(problem, MarkupProblem::Syntax(_)), "{problem}");
    assert!(!place.is_empty());
    assert_eq!(
        refused_markup("<UPLOADINFO TYPE=\"Escalated\">"),
        (MarkupProblem::Unclosed, "<UPLOADINFO TYPE=\"Escalated\">".into())
    );
    for broken in
        ["<UPLOADINFO a>", "<UPLOADINFO a=>", "<UPLOADINFO a=b>", "<UPLOADINFO></x>", "</x>", "<a b='", "<!x>", "<!--"]
    {
        assert!(matches!(refused_markup(broken).0, MarkupProblem::Syntax(_)), "{broken}");
    }
    assert_eq!(refused_markup("<a/><b/>"), (MarkupProblem::Root, "<b/>".into()));
    assert_eq!(refused_markup("<a/>x"), (MarkupProblem::Root, "x".into()));
    assert_eq!(refused_markup("<a>x</a>"), (MarkupProblem::Text, "x".into()));
    assert_eq!(refused_markup("\u{FEFF}\u{FEFF} <?xml?><a/>"), (MarkupProblem::Root, "\u{FEFF}".into()));
    assert_eq!(refused_markup("<a>&amp;</a>").0, MarkupProblem::Text);
    assert_eq!(refused_markup("<a><![CDATA[x]]></a>").0, MarkupProblem::Text);
}

#[test]
fn the_place_is_that_of_the_file_in_every_encoding() {
    let text = file(&format!("USERNAME=\"Jürgen €😀\" RCTICKET=\"{RC}\" DtStart=\"soon\""));
    let utf16 = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
    let mark = |mark: &[u8], body: Vec<u8>| [mark, &body].concat();
    for file in [
        text.clone().into_bytes(),
        mark(b"\xEF\xBB\xBF", text.clone().into_bytes()),
        mark(b"\xFF\xFE", utf16(u16::to_le_bytes)),
        utf16(u16::to_le_bytes),
        mark(b"\xFE\xFF", utf16(u16::to_be_bytes)),
    ] {
        let (problem, place) = refused(&file);
        assert_eq!(problem, Problem::Number { attribute: "DtStart" });
        assert_eq!(place.replace('\0', ""), "soon");
    }
}

#[test]
fn another_type_is_refused() {
    let other = file(&format!("RCTICKET=\"{RC}\"")).replace("Escalated", "Other");
    assert_eq!(refused(other), (Problem::Type, "Other".into()));
    let none = file(&format!("RCTICKET=\"{RC}\"")).replace(" TYPE=\"Escalated\"", "");
    assert_eq!(refused(none).0, Problem::Type);
}

#[test]
fn no_ticket_of_either_kind_is_refused() {
    for attributes in ["USERNAME=\"x\"", "RCTICKET=\"\" LHTICKET=\" \""] {
        assert_eq!(refused(file(attributes)).0, Problem::NoTicket, "{attributes}");
    }
}

#[test]
fn a_duplicate_attribute_is_refused_in_any_case() {
    for second in ["L", "l"] {
        let (problem, place) = refused_markup(file(&format!("RCTICKET=\"{RC}\" L=\"0\" {second}='1'")));
        assert_eq!((problem, place), (MarkupProblem::Duplicate(second.into()), second.into()));
    }
}

#[test]
fn doctype_entities_and_instructions_are_refused() {
    let good = file(&format!("RCTICKET=\"{RC}\""));
    let body = good.split_once('\n').unwrap().1;
    assert_eq!(refused_markup(format!("<!DOCTYPE x>{body}")).0, MarkupProblem::Doctype);
    let bomb = format!("<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>{body}");
    assert_eq!(refused_markup(bomb).0, MarkupProblem::Doctype);
    assert_eq!(
        refused_markup(format!("<?xml version=\"1.0\"?><?go?>{body}")),
        (MarkupProblem::ProcessingInstruction, "<?go?>".into())
    );
    assert_eq!(refused_markup(format!("{good}<?xml version=\"1.0\"?>")).0, MarkupProblem::ProcessingInstruction);
    for entity in ["&nbsp;", "&", "&amp", "&#;", "&#0;", "&#xD800;", "&#x110000;", "&#+65;", "&a b;"] {
        let (problem, place) = refused_markup(file(&format!("RCTICKET=\"{RC}\" USERNAME=\"a {entity} b\"")));
        assert_eq!((problem, place), (MarkupProblem::Entity, "&".into()), "{entity}");
    }
    for character in ["<", "\u{1}", "\u{FFFF}"] {
        let (problem, place) = refused_markup(file(&format!("RCTICKET=\"{RC}\" USERNAME=\"{character}\"")));
        assert_eq!((problem, place), (MarkupProblem::Character, character.into()));
    }
}

#[test]
fn nesting_and_numbers_of_things_are_limited() {
    let nested = |levels: usize| format!("{}{}", "<E>".repeat(levels), "</E>".repeat(levels));
    let of = |text: String| text.parse::<ConnectionString2>().unwrap_err().problem().clone();
    assert_eq!(of(nested(9)), ConnectionStringProblem::Markup(MarkupProblem::Depth));
    assert_eq!(of(nested(8)), ConnectionStringProblem::Missing("A"));
    assert_eq!(refused_markup(nested(9_000)).0, MarkupProblem::Depth);
    let elements = |inner: usize| format!("<E>{}</E>", "<L/>".repeat(inner));
    assert_eq!(of(elements(256)), ConnectionStringProblem::Markup(MarkupProblem::Elements));
    assert_eq!(of(elements(255)), ConnectionStringProblem::Missing("A"));
    let attributes = |number: usize| format!("<E{}/>", (0..number).map(|n| format!(" a{n}=''")).collect::<String>());
    assert_eq!(of(attributes(65)), ConnectionStringProblem::Markup(MarkupProblem::Attributes));
    assert_eq!(of(attributes(64)), ConnectionStringProblem::Missing("A"));
}

#[test]
fn times_are_decimal_numbers_of_32_bits() {
    for attribute in ["DtStart", "DtLength"] {
        for (text, good) in [
            ("0", true),
            ("4294967295", true),
            ("010", true),
            ("4294967296", false),
            ("-1", false),
            ("+1", false),
            ("0x10", false),
            ("soon", false),
            ("1.5", false),
            ("", false),
        ] {
            let file = file(&format!("RCTICKET=\"{RC}\" {attribute}=\"{text}\""));
            match Invitation::parse(file.as_bytes()) {
                Ok(_) => assert!(good, "{text}"),
                Err(error) => {
                    assert!(!good, "{text}");
                    assert_eq!(error.problem(), &Problem::Number { attribute });
                }
            }
        }
    }
}

#[test]
fn a_length_of_zero_is_read_and_already_over() {
    let file = file(&format!("RCTICKET=\"{RC}\" DtStart=\"100\" DtLength=\"0\""));
    assert!(Invitation::parse(file.as_bytes()).unwrap().expires().unwrap().has_passed(100));
}

#[test]
fn a_broken_rc_ticket_is_refused_with_the_field() {
    for (ticket, problem, place) in [
        ("65538,1,a:1,*,x,*,*", RcTicketProblem::Fields(7), "65538,1,a:1,*,x,*,*"),
        ("65538,1,a:1,*,x,*,*,p,q", RcTicketProblem::Fields(9), "65538,1,a:1,*,x,*,*,p,q"),
        ("65537,1,a:1,*,x,*,*,p", RcTicketProblem::Version, "65537"),
        ("65538,2,a:1,*,x,*,*,p", RcTicketProblem::ProtocolType, "2"),
        ("65538,1,,*,x,*,*,p", RcTicketProblem::NoAddress, ","),
        ("65538,1,;;,*,x,*,*,p", RcTicketProblem::NoAddress, ";;"),
        ("65538,1,a:1; b ,*,x,*,*,p", RcTicketProblem::Address(EndpointError::NoPort), "b"),
        ("65538,1,a:1;b:0,*,x,*,*,p", RcTicketProblem::Address(EndpointError::Port), "b:0"),
        ("65538,1,a:65536,*,x,*,*,p", RcTicketProblem::Address(EndpointError::Port), "a:65536"),
        ("65538,1,a:12x,*,x,*,*,p", RcTicketProblem::Address(EndpointError::Port), "a:12x"),
        ("65538,1,:3389,*,x,*,*,p", RcTicketProblem::Address(EndpointError::NoHost), ":3389"),
        ("65538,1,a b:1,*,x,*,*,p", RcTicketProblem::NoAddress, "a b:1"),
        ("65538,1,a:1,*, ,*,*,p", RcTicketProblem::SessionId(SessionIdError::Empty), ","),
    ] {
        assert_eq!(refused_rc(ticket), (problem, place.to_owned()), "{ticket}");
        let file = file(&format!("RCTICKET=\"{ticket}\""));
        assert_eq!(refused(&file), (Problem::RcTicket(problem), place.to_owned()), "{ticket}");
    }
    // References in the attribute: the whole value is pointed at rather than the wrong part.
    let file = file("RCTICKET=\"65537,1,a:1,*,x,*,*,&#112;\"");
    assert_eq!(refused(file).1, "65537,1,a:1,*,x,*,*,&#112;");
}

#[test]
fn a_broken_rc_ticket_beside_an_encrypted_one_is_passed_over() {
    let invitation = Invitation::parse(file(&format!("RCTICKET=\"65538,1\" LHTICKET=\"{LH}\"")).as_bytes()).unwrap();
    assert_eq!((invitation.kind(), invitation.rc_ticket()), (Kind::Type2, None));
}

#[test]
fn a_broken_encrypted_ticket_is_no_reason_to_fall_back() {
    for (digits, problem, place) in [
        ("BD5", Problem::LhTicketDigits, "BD5"),
        ("ZZ50", Problem::LhTicketDigits, "Z"),
        ("00", Problem::LhTicketLength, "00"),
        (&LH[2..], Problem::LhTicketLength, &LH[2..]),
    ] {
        let file = file(&format!("RCTICKET=\"{RC}\" LHTICKET=\"{digits}\""));
        assert_eq!(refused(&file), (problem, place.to_owned()));
        let asked_for = Invitation::parse_as_type1(file.as_bytes()).unwrap();
        assert_eq!((asked_for.kind(), asked_for.lh_ticket()), (Kind::Type1, None));
    }
    let type2 = file(&format!("LHTICKET=\"{LH}\""));
    assert_eq!(Invitation::parse_as_type1(type2.as_bytes()).unwrap_err().problem(), &Problem::NoTicket);
}

#[test]
fn of_more_than_32_addresses_the_first_32_are_kept() {
    let list: Vec<String> = (1..=40).map(|port| format!("h:{port}")).collect();
    let ticket: RcTicket = RC.replace("192.0.2.17:50312;h:1", &list.join(";")).parse().unwrap();
    assert_eq!(ticket.addresses().len(), 32);
    assert_eq!(ticket.addresses()[31].to_string(), "h:32");
    let listeners: String = (1..=40).map(|port| format!("<L P='{port}' N='h'/>")).collect();
    let connection: ConnectionString2 =
        format!("<E><A KH='4K0DX3eDf294AICiDclE420wQoQ=' ID='x'/><C><T>{listeners}</T></C></E>").parse().unwrap();
    assert_eq!(connection.endpoints().len(), 32);
}

#[test]
fn the_stub_may_hold_an_ampersand_that_nobody_escaped() {
    for (written, read) in [
        ("B&2Cd*34_56789", "B&2Cd*34_56789"),
        ("B&amp;2Cd", "B&2Cd"),
        ("&", "&"),
        ("a&b;c", "a&b;c"),
        ("&#65;&#zz;", "A&#zz;"),
    ] {
        let file = file(&format!("RCTICKET=\"{RC}\" PassStub=\"{written}\""));
        assert_eq!(Invitation::parse(file.as_bytes()).unwrap().pass_stub().unwrap().as_str(), read);
    }
    let long = file(&format!("RCTICKET=\"{RC}\" PassStub=\"{}\"", "x".repeat(65)));
    assert_eq!(refused(long).0, Problem::PassStub(PassStubError::Length(65)));
    let empty = file(&format!("RCTICKET=\"{RC}\" PassStub=\"\""));
    assert_eq!(Invitation::parse(empty.as_bytes()).unwrap().pass_stub(), None);
}

#[test]
fn the_flag_is_0_or_1() {
    let file = file(&format!("RCTICKET=\"{RC}\" RCTICKETENCRYPTED=\"yes\""));
    assert_eq!(refused(file), (Problem::Flag, "yes".into()));
}

#[test]
fn unknown_elements_and_attributes_do_not_matter() {
    let text = format!(
        "<UPLOADINFO TYPE='Escalated' x='&amp;'><NEW><MORE/></NEW><UPLOADDATA RCTICKET='{RC}' FUTURE='1'></UPLOADDATA></UPLOADINFO>"
    );
    assert_eq!(Invitation::parse(text.as_bytes()).unwrap().kind(), Kind::Type1);
    let text = "<E x='1'><Z/><A KH='4K0DX3eDf294AICiDclE420wQoQ=' KH2='sha3:AAAA' ID='x' Q='1'><B/></A><C><T ID='1'><L P='1' N='h'/><M/></T><S/></C></E>";
    let connection: ConnectionString2 = text.parse().unwrap();
    assert_eq!(connection.endpoints().len(), 1);
    assert_eq!(connection.key_hash2(), None, "an algorithm of tomorrow; KH is there");
}

#[test]
fn a_broken_connection_string_says_where() {
    const A: &str = "<A KH='4K0DX3eDf294AICiDclE420wQoQ=' ID='x'/>";
    let c = |listeners: &str| format!("<E>{A}<C><T ID='1' SID='0'>{listeners}</T></C></E>");
    for (text, place) in [
        ("<F/>".to_owned(), "<F/>"),
        ("<E/>".to_owned(), "<E/>"),
        (format!("<E>{A}</E>"), "<E>"),
        (format!("<E>{A}{A}<C/></E>"), A),
        (format!("<E>{A}<C/></E>"), "<C/>"),
        ("<E><A ID='x'/><C/></E>".to_owned(), "<A ID='x'/>"),
        ("<E><A KH='4K0DX3eDf294AICiDclE420wQoQ='/><C/></E>".to_owned(), "<A KH='4K0DX3eDf294AICiDclE420wQoQ='/>"),
        (c("").replace("QoQ=", "Qo"), "4K0DX3eDf294AICiDclE420wQo"),
        (c("").replace("ID='x'", "ID='a,b'"), "a,b"),
        (c("").replace("ID='x'", "ID='x' KH2='sha256:AAAA'"), "sha256:AAAA"),
        (c("").replace("ID='x'", "ID='x' CE='!'"), "!"),
        (c("<L P='0' N='h'/>"), "0"),
        (c("<L P='x' N='h'/>"), "x"),
        (c("<L N='h'/>"), "<L N='h'/>"),
        (c("<L P='1'/>"), "<L P='1'/>"),
        (c("<L P='1' N=' '/>"), " "),
        (c("<L U='wss://h/' N='h'/>"), "<C>"),
        (c("<L P='1' N='a b'/>"), "<C>"),
    ] {
        let error = text.parse::<ConnectionString2>().unwrap_err();
        assert_eq!(&text[error.span()], place, "{text}: {error}");
        if text.starts_with("<E") {
            let (problem, in_file) = refused(&text);
            assert_eq!((problem, in_file.as_str()), (Problem::ConnectionString(error.problem().clone()), place));
        }
    }
}

#[test]
fn listeners_without_a_port_or_a_usable_host_are_skipped_beside_good_ones() {
    let text = "<E><A KH='4K0DX3eDf294AICiDclE420wQoQ=' ID='x'/><C><T ID='1' SID='0'><L U='wss://h/' N='h'/><L P='1' N='a b'/><L P='50310' N='fe80::1%12'/><L P='50312' N='192.0.2.17'/><L P='50312' N='192.0.2.17'/></T></C></E>";
    let endpoints = text.parse::<ConnectionString2>().unwrap().endpoints();
    let endpoints: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    assert_eq!(endpoints, ["192.0.2.17:50312", "[fe80::1]:50310"], "link-local last, each once");
}
