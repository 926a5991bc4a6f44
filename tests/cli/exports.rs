//! What `export` writes, and what it leaves alone.

use super::{holds, run_in, sample_file};

#[test]
fn exports_are_written_where_asked_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = sample_file(folder.path());
    let outcome = run_in(
        folder.path(),
        &[
            "export",
            path.to_str().unwrap(),
            "--png",
            "map.png",
            "--html",
            "page",
            "--csv",
            "tables",
        ],
    );
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(image::open(folder.path().join("map.png")).unwrap().width() > 100);
    assert!(folder.path().join("page/index.html").is_file());
    assert!(
        std::fs::read_dir(folder.path().join("tables"))
            .unwrap()
            .count()
            >= 3
    );
    let mut names: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["map.png", "page", "sample.atlas", "tables"]);
    let again = run_in(
        folder.path(),
        &["export", path.to_str().unwrap(), "--png", "map.png"],
    );
    assert_eq!(again.code, 1);
    holds(&again.stderr, &["map.png", "--force"]);
}

/// The atlas may be called like a picture, or a picture be a link to it: it is not written over.
#[test]
fn an_export_never_replaces_its_atlas() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.png");
    std::fs::rename(sample_file(folder.path()), &path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut names = vec!["map.png"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&path, folder.path().join("link.png")).unwrap();
        names.push("link.png");
    }
    names.sort_unstable();
    for name in names {
        let args = ["export", path.to_str().unwrap(), "--png", name, "--force"];
        let refused = run_in(folder.path(), &args);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        holds(&refused.stderr, &[name, "read here", "another name"]);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
