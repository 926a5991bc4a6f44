//! `atlascope pull`, and the commands that use what it brought.

use super::{holds, manifest, reference, run_in};
use crate::hub::server::{Manner, Server};
use crate::support;
use atlascope::network::weights::sha256;

#[test]
fn pulled_weights_are_found_again() {
    let home = tempfile::tempdir().unwrap();
    let model = std::fs::read(reference("tiny.onnx")).unwrap();
    let server = Server::start(model.clone(), vec![Manner::CutAfter(3000)]);
    let source = format!(
        "file = \"tiny.onnx\"\nurl = \"{}\"\nsha256 = \"{}\"",
        server.url("/tiny.onnx"),
        sha256(&model)
    );
    let path = manifest(home.path(), "onnx", &source, "");
    let path = path.to_str().unwrap();
    let missing = run_in(home.path(), &[], &["layers", "--network", path]);
    assert_eq!(missing.code, 2);
    holds(
        &missing.stderr,
        &["mine needs its weights", "atlascope pull"],
    );
    let offline = run_in(home.path(), &[("HF_HUB_OFFLINE", "1")], &["pull", path]);
    assert_eq!(offline.code, 1);
    holds(&offline.stderr, &["HF_HUB_OFFLINE", "hint:"]);
    let pulled = run_in(home.path(), &[], &["pull", path]);
    assert_eq!(pulled.code, 0, "{}", pulled.stderr);
    holds(
        &pulled.stdout,
        &["verified: SHA-256", &sha256(&model), "measured: not at all"],
    );
    holds(&pulled.stderr, &["trying again"]);
    assert!(
        home.path()
            .join(".cache/atlascope/models/mine/tiny.onnx")
            .is_file()
    );
    let again = run_in(home.path(), &[], &["pull", path]);
    holds(&again.stdout, &["was there already"]);
    let layers = run_in(home.path(), &[], &["layers", "--network", path]);
    assert_eq!(layers.code, 0, "{}", layers.stderr);
    holds(&layers.stdout, &["mine", "16 × 8 × 8"]);
}

#[test]
fn hugging_face_is_asked_as_its_own_tools_ask() {
    let home = tempfile::tempdir().unwrap();
    let model = std::fs::read(reference("tiny.onnx")).unwrap();
    let server = Server::start(model.clone(), vec![Manner::Status(401)]);
    let source = "file = \"tiny.onnx\"\nhugging_face = \"me/tiny\"\nrevision = \"main\"";
    let path = manifest(home.path(), "onnx", source, "");
    let path = path.to_str().unwrap();
    let (endpoint, hf_home) = (server.url(""), home.path().join("disk"));
    let variables = [
        ("HF_ENDPOINT", endpoint.as_str()),
        ("HF_HOME", hf_home.to_str().unwrap()),
    ];
    let refused = run_in(home.path(), &variables, &["pull", path]);
    assert_eq!(refused.code, 1);
    holds(
        &refused.stderr,
        &["401 (access denied)", "hint: set HF_TOKEN"],
    );
    let token = [&variables[..], &[("HF_TOKEN", "hf_mine")]].concat();
    let pulled = run_in(home.path(), &token, &["pull", path]);
    assert_eq!(pulled.code, 0, "{}", pulled.stderr);
    holds(
        &pulled.stdout,
        &["unverified: no hash known; found SHA-256", &sha256(&model)],
    );
    assert_eq!(server.tokens(), [None, Some("Bearer hf_mine".to_owned())]);
    assert!(
        hf_home
            .join("hub/models--me--tiny/snapshots/main/tiny.onnx")
            .is_file()
    );
    let used = run_in(home.path(), &variables, &["layers", "--network", path]);
    assert_eq!(used.code, 0, "{}", used.stderr);
}

#[test]
fn what_cannot_be_pulled_is_given_by_hand() {
    let home = tempfile::tempdir().unwrap();
    let list = run_in(home.path(), &[], &["pull"]);
    for name in [
        "inception_v1",
        "inception5h",
        "resnet50",
        "mobilenet_v2",
        "efficientnet_lite0",
        "dinov2_small",
    ] {
        holds(&list.stdout, &[name]);
    }
    holds(
        &list.stdout,
        &["built in", "can be pulled", "needs --from FILE"],
    );
    let none = run_in(home.path(), &[], &["pull", "inception_v1"]);
    assert_eq!(none.code, 1);
    holds(&none.stderr, &["no download", "--from FILE"]);
    let wrong = reference("tiny.onnx");
    let other = run_in(
        home.path(),
        &[],
        &["pull", "inception_v1", "--from", &wrong],
    );
    assert_eq!(other.code, 1);
    holds(&other.stderr, &["48c838361f4e", "hint:"]);
    let Some(data) = support::data("pulling InceptionV1 by hand") else {
        return;
    };
    let right = data.join("inception_v1/weights.safetensors");
    let kept = run_in(
        home.path(),
        &[],
        &["pull", "inception_v1", "--from", right.to_str().unwrap()],
    );
    assert_eq!(kept.code, 0, "{}", kept.stderr);
    holds(&kept.stdout, &["verified: SHA-256 48c838361f4e", "78.6 %"]);
    let layers = run_in(
        home.path(),
        &[],
        &["layers", "--network", "inception_v1", "--block-ends"],
    );
    holds(&layers.stdout, &["+ mixed4d", "* mixed5b", "1000 classes"]);
}
