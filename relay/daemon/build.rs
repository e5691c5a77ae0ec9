//! Gathers the documents of every settings key where they are declared, for `liaison config
//! example`: each struct with `deny_unknown_fields` is a section. The sources are formatted, so a
//! field is a line.

#![expect(
    clippy::expect_used,
    reason = "a build that cannot read its sources ends"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Crates with settings, and where their sources are from here.
const CRATES: [(&str, &str); 6] = [
    ("liaison", "src"),
    ("liaison_base", "../base/src"),
    ("liaison_relay", "../src"),
    ("liaison_gateway", "../../gateway/src"),
    ("liaison_directory", "../../directory/src"),
    ("liaison_directory_client", "../../directory/client/src"),
];

fn main() {
    let mut table = String::from("&[\n");
    for (name, folder) in CRATES {
        println!("cargo::rerun-if-changed={folder}");
        let mut files = Vec::new();
        gather(Path::new(folder), &mut files);
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).expect("a source can be read");
            for section in sections(&text) {
                writeln!(table, "    Section {{ package: {name:?}, {section} }},")
                    .expect("a text takes text");
            }
        }
    }
    table.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where"));
    fs::write(out.join("sections.rs"), table).expect("the table can be written");
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            files.push(path);
        }
    }
}

/// The settings structs of a source, each as the rest of a `Section`.
fn sections(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut doc, mut attributes) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(words) = line.strip_prefix("///") {
            doc.push(words.trim().to_owned());
        } else if line.starts_with("#[") {
            attributes.push_str(line);
        } else {
            let name = line
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ")
                .strip_prefix("struct ")
                .and_then(|rest| rest.strip_suffix(" {"));
            if let Some(name) = name
                && attributes.contains("deny_unknown_fields")
                && attributes.contains("Serialize")
            {
                let fields = fields(&mut lines);
                let doc = doc.join("\n");
                found.push(format!("name: {name:?}, doc: {doc:?}, keys: &[{fields}]"));
            }
            doc.clear();
            attributes.clear();
        }
    }
    found
}

/// The fields up to the closing brace, each as a `Key`.
fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> String {
    let mut keys = String::new();
    let (mut doc, mut rename) = (Vec::new(), None);
    for line in lines.take_while(|line| *line != "}") {
        let line = line.trim();
        if let Some(words) = line.strip_prefix("///") {
            doc.push(words.trim().to_owned());
        } else if let Some((_, after)) = line.split_once("rename = \"") {
            rename = after.split('"').next().map(str::to_owned);
        } else if let Some((name, kind)) = field(line) {
            let name = rename.take().unwrap_or_else(|| name.to_owned());
            let doc = std::mem::take(&mut doc).join("\n");
            write!(
                keys,
                "Key {{ name: {name:?}, kind: {kind:?}, doc: {doc:?} }}, "
            )
            .expect("a text takes text");
        }
    }
    keys
}

fn field(line: &str) -> Option<(&str, &str)> {
    let line = line
        .trim_start_matches("pub(crate) ")
        .trim_start_matches("pub ");
    let (name, kind) = line.strip_suffix(',')?.split_once(": ")?;
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.chars().all(word).then_some((name, kind))
}
