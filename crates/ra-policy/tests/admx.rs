//! The administrative template against the parser: what an administrator can click on, this computer understands.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use ra_policy::registry::{Entry, REGISTRY_KEY, settings};
use ra_policy::{Kind, Setting};

const ADMX: &str = include_str!("../../../docs/admx/RemoteAssistance.admx");
const TEXTS: [&str; 2] = [
    include_str!("../../../docs/admx/en-US/RemoteAssistance.adml"),
    include_str!("../../../docs/admx/nl-NL/RemoteAssistance.adml"),
];

/// Every element with its attributes.
fn elements(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => found.push(named(&element)),
            Event::Eof => return found,
            _ => {}
        }
    }
}

fn named(element: &BytesStart<'_>) -> (String, Vec<(String, String)>) {
    let attributes = element.attributes().map(|attribute| {
        let attribute = attribute.unwrap();
        (attribute.key.as_ref().to_owned(), attribute.value.to_string())
    });
    (element.name().as_ref().to_owned(), attributes.collect())
}

fn value<'a>(element: &'a (String, Vec<(String, String)>), name: &str) -> Option<&'a str> {
    element.1.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}

#[test]
fn s094_every_value_of_the_template_is_one_that_the_parser_knows() {
    let elements = elements(ADMX);
    let mut known = BTreeSet::new();
    for element in &elements {
        if let Some(name) = value(element, "valueName") {
            if let Some(key) = value(element, "key") {
                assert_eq!(key, REGISTRY_KEY, "{name}");
            }
            let (kind, data) = match element.0.as_str() {
                "text" => (1, "x\0".encode_utf16().flat_map(u16::to_le_bytes).collect()),
                "policy" | "enum" | "decimal" => (4, 1_u32.to_le_bytes().to_vec()),
                other => panic!("{other} has a value name"),
            };
            let entry =
                |value: &str, data: Vec<u8>, kind| Entry { key: REGISTRY_KEY.into(), value: value.into(), kind, data };
            let mut entries = vec![entry(name, data, kind)];
            if name == "MaxTicketExpiryUnits" {
                entries.push(entry("MaxTicketExpiry", 1_u32.to_le_bytes().to_vec(), 4));
            }
            let read = settings(&entries);
            assert!(read.warnings().is_empty(), "{name}: {:?}", read.warnings());
            assert!(read.raw().any(|(known, _)| known == name), "the parser does not know {name}");
            known.insert(name.to_owned());
        } else if element.0 == "list" {
            let name = value(element, "key").unwrap().strip_prefix(REGISTRY_KEY).unwrap().trim_start_matches('\\');
            assert!(matches!(Setting::named(name).unwrap().kind(), Kind::Names | Kind::Relays));
            known.insert(name.to_owned());
        }
    }
    // And the other way round; chat is a switch of the computer only, the level of bandwidth is confirmed nowhere.
    for setting in Setting::ALL {
        let left_out = matches!(setting, Setting::EnableChatControl | Setting::OptimizeBandwidth);
        assert_eq!(known.contains(setting.name()), !left_out, "{}", setting.name());
    }
    assert!(known.contains("MaxTicketExpiryUnits"));
}

#[test]
fn s094_the_policy_has_its_name_and_both_languages_have_every_text() {
    let wanted: BTreeSet<String> = ADMX
        .split("$(")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap().split_once('.').unwrap().1.to_owned())
        .collect();
    let ids: BTreeSet<String> =
        elements(ADMX).iter().filter_map(|element| value(element, "id").map(str::to_owned)).collect();
    for text in TEXTS {
        let elements = elements(text);
        let has = |tag: &str| -> BTreeSet<String> {
            elements.iter().filter(|e| e.0 == tag).filter_map(|e| value(e, "id").map(str::to_owned)).collect()
        };
        let given: BTreeSet<String> = has("string").union(&has("presentation")).cloned().collect();
        assert_eq!(given, wanted);
        let shown: BTreeSet<String> =
            elements.iter().filter_map(|element| value(element, "refId").map(str::to_owned)).collect();
        assert_eq!(shown, ids);
    }
    assert!(TEXTS[0].contains("<string id=\"Solicited\">Solicited Remote Assistance</string>"));
}
