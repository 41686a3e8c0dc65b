//! `Registry.pol`, byte for byte.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use base64::Engine as _;
use ra_policy::registry::{Entry, MAX_REGISTRY_BYTES, REGISTRY_KEY, read, settings, to_bytes};
use ra_policy::{Layer, Policy, PolicyError, Setting, Settings, Source, Value, Warning};

fn vector() -> (Vec<Entry>, Vec<u8>) {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap();
    let preg = &vectors["preg"];
    let bytes =
        |hex: &str| (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let entries = preg["entries"].as_array().unwrap().iter().map(|entry| Entry {
        key: text(&entry["key"]),
        value: text(&entry["value"]),
        kind: u32::try_from(entry["type"].as_u64().unwrap()).unwrap(),
        data: bytes(entry["data"].as_str().unwrap()),
    });
    let file = base64::engine::general_purpose::STANDARD.decode(preg["file_base64"].as_str().unwrap()).unwrap();
    (entries.collect(), file)
}

fn number(value: &str, number: u32) -> Entry {
    entry(REGISTRY_KEY, value, 4, &number.to_le_bytes())
}

fn entry(key: &str, value: &str, kind: u32, data: &[u8]) -> Entry {
    Entry { key: key.to_owned(), value: value.to_owned(), kind, data: data.to_vec() }
}

fn text(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn configured(entries: &[Entry]) -> Settings {
    settings(&read(&to_bytes(entries)).unwrap())
}

fn switch(settings: &Settings, setting: Setting) -> Option<bool> {
    match settings.value(setting) {
        Some(Value::Switch(on)) => Some(*on),
        None => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_vector_reads_writes_and_means_what_it_says() {
    let (entries, file) = vector();
    assert_eq!(entries.len(), 12);
    assert_eq!(read(&file).unwrap(), entries);
    assert_eq!(to_bytes(&entries), file);

    let settings = settings(&entries);
    assert_eq!(settings.warnings(), []);
    assert_eq!(settings.value(Setting::LoggingEnabled), None, "deleted, not configured");
    let policy = Policy::of([Layer::new(Source::GroupPolicy, "Registry.pol", settings)]);
    assert!(policy.may_invite().is_ok() && policy.may_control().is_err() && policy.may_be_offered().is_ok());
    assert_eq!(policy.longest_ticket().as_secs(), 2 * 3600);
    assert_eq!(policy.view_message().unwrap().as_str(), "An operator may look at this screen.");
    assert_eq!(policy.decide(Setting::OfferHelpers).value.unwrap().to_string(), "EXAMPLE\\Helpdesk");
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_unreadable() {
    let (entries, file) = vector();
    let mut ends = vec![8];
    for count in 1..=entries.len() {
        ends.push(to_bytes(&entries[..count]).len());
    }
    for length in 0..file.len() {
        let whole = ends.contains(&length);
        assert_eq!(read(&file[..length]).is_ok(), whole, "{length} bytes");
    }
}

#[test]
fn one_wrong_byte_of_the_frame_makes_it_unreadable() {
    let (_, file) = vector();
    for at in [0, 1, 2, 3, 4, 7, 8, 9, file.len() - 2, file.len() - 1] {
        let mut file = file.clone();
        file[at] ^= 0x40;
        assert!(matches!(read(&file), Err(PolicyError::Registry { .. })), "byte {at}");
    }
}

#[test]
fn limits_hold() {
    let name = |length: usize| [entry(&"k".repeat(length), "v", 4, &[])];
    assert!(read(&to_bytes(&name(512))).is_ok());
    assert!(read(&to_bytes(&name(513))).is_err());
    assert!(read(&to_bytes(&name(0))).is_err());
    assert!(read(&to_bytes(&[entry("k", "v", 3, &[0; 65_535])])).is_ok());
    assert!(read(&to_bytes(&[entry("k", "v", 3, &[0; 65_536])])).is_err());
    assert_eq!(read(&vec![0; MAX_REGISTRY_BYTES + 1]), Err(PolicyError::RegistryTooLarge));
    // A size that points behind the end.
    let mut file = to_bytes(&[entry("k", "v", 3, &[])]);
    let at = file.len() - 8;
    file[at..at + 4].copy_from_slice(&65_535_u32.to_le_bytes());
    assert!(read(&file).is_err());
}

#[test]
fn separators_inside_names_and_data_separate_nothing() {
    let entries = [
        entry("a]b;[c", "x;];[", 3, &text("];[")),
        number("fAllowToGetHelp", 0),
        entry(REGISTRY_KEY, "ViewMessage", 1, &text("a;b]c[d")),
    ];
    assert_eq!(read(&to_bytes(&entries)).unwrap(), entries);
    assert_eq!(switch(&configured(&entries), Setting::AllowToGetHelp), Some(false));
}

#[test]
fn names_compare_without_case_and_the_later_entry_wins() {
    let key = REGISTRY_KEY.to_uppercase();
    let entries = [
        number("fAllowToGetHelp", 1),
        entry(&key, "FALLOWTOGETHELP", 4, &0_u32.to_le_bytes()),
        entry("Software\\Policies\\Other", "fAllowToGetHelp", 4, &1_u32.to_le_bytes()),
        entry(&format!("{REGISTRY_KEY}X"), "fAllowToGetHelp", 4, &1_u32.to_le_bytes()),
    ];
    assert_eq!(switch(&configured(&entries), Setting::AllowToGetHelp), Some(false));
}

#[test]
fn instructions_are_carried_out_and_never_read_as_values() {
    let on = || [number("fAllowToGetHelp", 1), number("fAllowFullControl", 1)];
    let blank = || text(" ");
    let (above, last) = REGISTRY_KEY.rsplit_once('\\').unwrap();
    for (instruction, help, control) in [
        (entry(REGISTRY_KEY, "**del.fallowtogethelp", 1, &blank()), None, Some(true)),
        (entry(REGISTRY_KEY, "**DEL.fAllowToGetHelp", 4, &0_u32.to_le_bytes()), None, Some(true)),
        (entry(REGISTRY_KEY, "**delvals.", 1, &blank()), None, None),
        (entry(REGISTRY_KEY, "**DeleteValues", 1, &text("fAllowFullControl; x")), Some(true), None),
        (entry(REGISTRY_KEY, "**deletevalues", 1, &text("fAllowFullControl;fAllowToGetHelp")), None, None),
        (entry(above, "**DeleteKeys", 1, &text(&format!("Other;{last}"))), None, None),
        (entry(above, "**DeleteKeys", 1, &text("Terminal")), Some(true), Some(true)),
        (entry(REGISTRY_KEY, "**soft.fAllowToGetHelp", 4, &0_u32.to_le_bytes()), Some(true), Some(true)),
        (entry(REGISTRY_KEY, "**securekey", 4, &1_u32.to_le_bytes()), Some(true), Some(true)),
        (entry(REGISTRY_KEY, "**unheard.fAllowToGetHelp", 4, &0_u32.to_le_bytes()), Some(true), Some(true)),
        (entry(REGISTRY_KEY, "**fAllowToGetHelp", 4, &0_u32.to_le_bytes()), Some(true), Some(true)),
    ] {
        let settings = configured(&[&on()[..], std::slice::from_ref(&instruction)].concat());
        let found = (switch(&settings, Setting::AllowToGetHelp), switch(&settings, Setting::AllowFullControl));
        assert_eq!(found, (help, control), "{}", instruction.value);
    }
    let soft = [entry(REGISTRY_KEY, "**soft.fAllowToGetHelp", 4, &0_u32.to_le_bytes())];
    assert_eq!(switch(&configured(&soft), Setting::AllowToGetHelp), Some(false), "set where nothing was");
    let deleted = [&on()[..], &[entry(REGISTRY_KEY, "**delvals.", 1, &blank()), number("fAllowToGetHelp", 0)]].concat();
    assert_eq!(switch(&configured(&deleted), Setting::AllowToGetHelp), Some(false), "set again after it");
}

#[test]
fn a_value_of_the_wrong_type_is_not_configured_and_said_once() {
    for (kind, data) in
        [(1, text("1")), (4, vec![1]), (4, vec![1; 8]), (5, vec![0, 0, 0, 1]), (11, vec![1; 8]), (3, vec![])]
    {
        let settings = configured(&[entry(REGISTRY_KEY, "fAllowToGetHelp", kind, &data)]);
        assert_eq!(switch(&settings, Setting::AllowToGetHelp), None, "{kind}");
        assert_eq!(settings.warnings(), [Warning::WrongType { name: "fAllowToGetHelp" }]);
    }
    let message = |kind, data: &[u8]| configured(&[entry(REGISTRY_KEY, "ViewMessage", kind, data)]);
    assert_eq!(message(4, &[1; 4]).warnings(), [Warning::WrongType { name: "ViewMessage" }]);
    assert_eq!(message(1, &[1; 3]).warnings(), [Warning::WrongType { name: "ViewMessage" }]);
    assert_eq!(message(1, &text("")).value(Setting::ViewMessage), None, "an empty text is the built-in one");
    assert_eq!(message(1, &text("cut\0off")).value(Setting::ViewMessage).unwrap().to_string(), "cut");
}

#[test]
fn s107_numbers_outside_the_range_of_the_editor() {
    for (entries, shown, warnings) in [
        (vec![number("MaxTicketExpiry", 6)], "6 hours", 0),
        (vec![number("MaxTicketExpiry", 30), number("MaxTicketExpiryUnits", 2)], "30 days", 0),
        (vec![number("MaxTicketExpiry", 0), number("MaxTicketExpiryUnits", 0)], "1 minutes", 1),
        (vec![number("MaxTicketExpiry", 100), number("MaxTicketExpiryUnits", 7)], "99 hours", 2),
    ] {
        let settings = configured(&entries);
        assert_eq!(settings.value(Setting::MaxTicketExpiry).unwrap().to_string(), shown);
        assert_eq!(settings.warnings().len(), warnings, "{shown}");
    }
}

#[test]
fn a_list_of_helpers_is_a_subkey() {
    let key = format!("{REGISTRY_KEY}\\RAUnsolicit");
    let name = |name: &str| entry(&key, name, 1, &text(name));
    let entries = [
        name("OLD\\Gone"),
        entry(&key, "**delvals.", 1, &text(" ")),
        name("EXAMPLE\\Lee"),
        entry(&key, "kim", 1, &text("")),
    ];
    assert_eq!(configured(&entries).value(Setting::OfferHelpers).unwrap().to_string(), "EXAMPLE\\Lee, kim");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
        let mut file = b"PReg\x01\0\0\0".to_vec();
        file.extend(&bytes);
        for file in [&bytes, &file] {
            if let Ok(entries) = read(file) {
                assert_eq!(&to_bytes(&entries), file);
                let _ = settings(&entries);
            }
        }
    }

    #[test]
    fn entries_come_back_as_they_were(
        entries in proptest::collection::vec(
            ("[^\0]{1,40}", "[^\0]{0,40}", proptest::num::u32::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..64)),
            0..8,
        )
    ) {
        let entries: Vec<_> = entries.into_iter().map(|(key, value, kind, data)| Entry { key, value, kind, data }).collect();
        assert_eq!(read(&to_bytes(&entries)).unwrap(), entries);
        let _ = settings(&entries);
    }
}
