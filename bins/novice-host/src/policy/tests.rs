//! The worked examples of docs/POLICY.md, carried out.

use std::fs;
use std::path::{Path, PathBuf};

use ra_novice::policy::Places;
use ra_policy::registry::{Entry, REGISTRY_KEY, to_bytes};
use serde_json::Value as Json;

use super::*;

/// One example of the manual: the groups of the user, the files, and the lines that must be said.
struct Example<'a> {
    title: &'a str,
    groups: Vec<String>,
    files: Vec<(&'a str, &'a str)>,
    expected: Vec<Json>,
}

#[test]
fn s096_s098_s123_the_twelve_worked_examples_of_the_manual_hold() {
    let manual = include_str!("../../../../docs/POLICY.md");
    let examples: Vec<_> = manual.split("\n### ").skip(1).map(read_example).collect();
    assert_eq!(examples.len(), 12);
    for example in &examples {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in &example.files {
            let file = root.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            let registry = path.to_ascii_lowercase().ends_with(".pol");
            fs::write(file, if registry { registry_file(content) } else { content.as_bytes().to_vec() }).unwrap();
        }
        let said = explanation(&EffectivePolicy::read(&paths(root.path(), &example.groups)));
        let prefix = root.path().to_str().unwrap();
        let said: Vec<Json> = said
            .into_iter()
            .map(|(name, mut fields)| {
                fields["event"] = name.into();
                let text = fields.to_string().replace(prefix, "");
                serde_json::from_str(&text).unwrap()
            })
            .collect();
        assert!(!example.expected.is_empty(), "{}", example.title);
        for expected in &example.expected {
            assert!(
                said.iter().any(|said| holds(said, expected)),
                "{}: {expected}\nis not in\n{said:#?}",
                example.title
            );
        }
        let broken = said.iter().any(|line| line["event"] == "policy_unusable");
        assert_eq!(broken, example.expected[0]["event"] == "policy_unusable", "{}", example.title);
    }
}

/// Everything that the manual shows is so; the host may say more.
fn holds(said: &Json, expected: &Json) -> bool {
    let event = expected.get("event").and_then(Json::as_str).unwrap_or("policy_value");
    let fields = expected.as_object().unwrap();
    said["event"] == event && fields.iter().all(|(name, value)| said[name.as_str()] == *value)
        // An example without others has none.
        && (event != "policy_value" || fields.contains_key("others") || said["others"].as_array().is_some_and(Vec::is_empty))
}

fn read_example(text: &str) -> Example<'_> {
    let title = text.lines().next().unwrap_or_default();
    let groups = text.lines().find_map(|line| line.strip_prefix("Groups: ")).unwrap_or_default();
    let groups = groups.split(", ").map(|group| group.trim_matches('`').to_owned()).filter(|g| !g.is_empty()).collect();
    let (mut files, mut expected) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let Some((before, block)) = rest.split_once("```") {
        let (block, after) = block.split_once("```").unwrap();
        let (kind, content) = block.split_once('\n').unwrap();
        if kind == "json" {
            expected.extend(content.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()));
        } else {
            let path = before.trim_end().trim_end_matches(':').trim_matches('`');
            files.push((path.rsplit('`').next().unwrap_or(path), content));
        }
        rest = after;
    }
    Example { title, groups, files, expected }
}

fn paths(root: &Path, groups: &[String]) -> Paths {
    let at = |path: &str| root.join(path);
    let more = at("home/kim/more.toml");
    let paths = Paths::resolve(
        |name| match name {
            "HOME" => Some(at("home/kim").into_os_string()),
            "RA_POLICY_FILE" => more.exists().then(|| more.clone().into_os_string()),
            _ => None,
        },
        false,
    );
    paths.unwrap().with_places(Places::under(root)).with_groups(groups.to_vec())
}

/// `name = value` lines as group policy has them: numbers, texts, and the list of helpers with `;` between them.
fn registry_file(content: &str) -> Vec<u8> {
    let text = |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let mut entries = Vec::new();
    for (name, value) in content.lines().filter_map(|line| line.split_once(" = ")) {
        let entry =
            |key: &str, value: &str, kind, data| Entry { key: key.to_owned(), value: value.to_owned(), kind, data };
        if name == "RAUnsolicit" {
            let key = format!("{REGISTRY_KEY}\\{name}");
            entries.push(entry(&key, "**delvals.", 1, text(" ")));
            entries.extend(value.split(';').map(|helper| entry(&key, helper, 1, text(helper))));
        } else {
            let (kind, data) = match value.parse::<u32>() {
                Ok(number) => (4, number.to_le_bytes().to_vec()),
                Err(_) => (1, text(value)),
            };
            entries.push(entry(REGISTRY_KEY, name, kind, data));
        }
    }
    to_bytes(&entries)
}

#[test]
fn a_mistake_is_shown_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file: PathBuf = directory.path().join("policy.toml");
    fs::write(&file, "fAllowToGetHelp = 1\n\nfAllowToGetHlep = 0\n").unwrap();
    let Found::Unusable(why) = PolicyFile::check(&file).found else { panic!("it is wrong") };
    assert_eq!(line(&why.text, &why.span), Some(3));
    let report = format!("{:?}", pointing(&file, &why.reason, why.text.unwrap(), why.span));
    assert!(report.contains("unknown setting `fAllowToGetHlep`") && report.contains("policy.toml:3"), "{report}");
}
