//! House rules as tests: which module may use which, how long files may grow, where `unsafe` may stand, what must
//! not be in the tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// For each top module what it may use of the crate. A missing arrow is a design decision, not an oversight.
const ARROWS: &[(&str, &[&str])] = &[
    ("atlas", &[]),
    // math gives its principal components as the atlas's own type.
    ("math", &["atlas"]),
    ("progress", &[]),
    ("paths", &[]),
    ("files", &[]),
    ("store", &["atlas", "files"]),
    ("suspects", &["atlas", "math"]),
    // The demo's network has the synthetic world's classes and picture size, so it asks the world for them.
    ("network", &["atlas", "math", "images"]),
    ("images", &["atlas", "math"]),
    ("collect", &["atlas", "math", "network"]),
    ("layout", &["atlas", "math", "progress"]),
    ("binning", &["atlas", "math"]),
    ("mapped", &[]),
    ("featurevis", &["atlas", "math", "network", "progress"]),
    // The trainer's data are the synthetic world, and it writes checkpoints.
    ("train", &["atlas", "math", "network", "images", "progress"]),
    (
        "pipeline",
        &[
            "atlas",
            "math",
            "network",
            "images",
            "collect",
            "layout",
            "binning",
            "featurevis",
            "files",
            "mapped",
            "progress",
        ],
    ),
    (
        "causal",
        &["atlas", "math", "network", "images", "progress", "suspects"],
    ),
    ("hub", &["progress"]),
    ("graphics", &[]),
    // Photographs behind the cells are read by the same decoder as a build reads them, scenes drawn again.
    ("explorer", &["atlas", "graphics", "images", "suspects"]),
    // A background is told in the words of the question to the terminal.
    ("config", &["explorer", "graphics"]),
    (
        "cli",
        &[
            "atlas",
            "binning",
            "causal",
            "collect",
            "config",
            "explorer",
            "featurevis",
            "files",
            "graphics",
            "hub",
            "images",
            "layout",
            "math",
            "network",
            "paths",
            "pipeline",
            "progress",
            "store",
            "suspects",
            "train",
        ],
    ),
];

/// Modules that may hold `unsafe`.
const UNSAFE: &[&str] = &["network/kernels", "mapped.rs"];

/// The memory map's module must stay small enough to be read at a glance.
const MAX_MAPPED_LINES: usize = 60;

/// No source file may be longer.
const MAX_LINES: usize = 800;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extensions, found);
        } else if path
            .extension()
            .is_some_and(|e| extensions.contains(&e.to_str().unwrap()))
        {
            found.push(path);
        }
    }
}

/// Path relative to `src/` → text.
fn sources() -> BTreeMap<String, String> {
    let src = root().join("src");
    let mut found = Vec::new();
    files(&src, &["rs"], &mut found);
    let name = |path: &PathBuf| {
        path.strip_prefix(&src)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    found
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap()))
        .collect()
}

fn top_module(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Top modules that a line names after `crate::`, also inside `use crate::{a, b::c}`.
fn uses(text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let ident = |text: &str| {
            text.chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect::<String>()
        };
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut item) = (1, String::new());
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => {
                        names.push(ident(item.trim()));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                item.push(c);
            }
            names.push(ident(item.trim()));
        } else {
            names.push(ident(rest));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn arrows_point_down() {
    let known: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    for (path, text) in sources() {
        let module = top_module(&path);
        if matches!(module, "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            panic!("{path}: module {module} has no row in ARROWS");
        };
        for used in uses(&text) {
            let fine = used == module
                || allowed.contains(&used.as_str())
                || !known.contains(&used.as_str());
            assert!(
                fine,
                "{path} uses crate::{used}, which {module} must not know"
            );
        }
    }
}

#[test]
fn the_test_of_arrows_can_fail() {
    assert_eq!(
        uses("use crate::{atlas, store::{read, write}, layout};"),
        ["atlas", "store", "layout"]
    );
    assert_eq!(uses("    crate::pipeline::build()"), ["pipeline"]);
    assert_eq!(uses("// crate::pipeline"), Vec::<String>::new());
}

#[test]
fn the_explorer_side_never_names_candle() {
    for (path, text) in sources() {
        let explores = ["explorer", "graphics", "atlas", "store", "math", "progress"]
            .contains(&top_module(&path));
        assert!(
            !explores || !text.contains("candle_"),
            "{path} names candle"
        );
        let draws = ["explorer", "cli"].contains(&top_module(&path));
        assert!(draws || !text.contains("ratatui::"), "{path} names ratatui");
    }
}

#[test]
fn unsafe_stands_where_it_may() {
    for (path, text) in sources() {
        let allowed = UNSAFE.iter().any(|module| path.starts_with(module));
        assert!(
            allowed || !text.contains("allow(unsafe_code"),
            "{path} allows unsafe code"
        );
    }
    let n_lines = sources()["mapped.rs"].lines().count();
    assert!(
        n_lines <= MAX_MAPPED_LINES,
        "src/mapped.rs has {n_lines} lines"
    );
}

#[test]
fn files_stay_short() {
    let mut found = Vec::new();
    files(&root().join("src"), &["rs"], &mut found);
    files(&root().join("tests"), &["rs"], &mut found);
    for path in found {
        let n = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            n <= MAX_LINES,
            "{} has {n} lines, at most {MAX_LINES}",
            path.display()
        );
    }
}

#[test]
fn no_test_file_is_forgotten() {
    let main = std::fs::read_to_string(root().join("tests/main.rs")).unwrap();
    for entry in std::fs::read_dir(root().join("tests")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") {
            assert!(
                main.contains(&format!("mod {module};")),
                "tests/{name} is not declared in tests/main.rs"
            );
        }
    }
}

#[test]
fn nothing_is_left_for_later() {
    // Spelled in two halves so that this file does not find itself.
    let words = [
        concat!("to", "do!"),
        concat!("unimple", "mented!"),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
    ];
    let mut found = Vec::new();
    files(&root().join("src"), &["rs"], &mut found);
    files(&root().join("tests"), &["rs", "py", "sh"], &mut found);
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in words {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn modules_are_on_the_map() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (module, _) in ARROWS {
        assert!(
            lib.contains(&format!("`{module}`")),
            "{module} is missing in the map of src/lib.rs"
        );
    }
}
