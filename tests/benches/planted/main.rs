//! The benchmark of planted shortcuts: small networks that learned artefacts which we put into their images.
//!
//! ```text
//! cargo bench --bench planted -- train NET… [--to DIR]     train networks, write DIR/NET/{net.onnx,truth.json,classes.txt}
//! cargo bench --bench planted -- images NET DIR [--from D] write DIR/images/CLASS/*.png and DIR/carries.json
//! cargo bench --bench planted -- find NET… --to FOLDER     write our own lists of candidates as FOLDER/NET.json
//! cargo bench --bench planted -- confirm NET… --images FOLDER [--json FILE] [--ranks 5,9]   test the first ten; FOLDER/NET from images
//! cargo bench --bench planted -- score [METHOD=FOLDER…] [--role tune] [--each 1]  score lists of candidates
//! ```
//!
//! A network's name says everything about it: `tune` or `report`, its images, the prevalence in per cent, a number:
//! `report-world-05-1`. Its seed is a hash of the name. Networks are trained outside CI and kept in
//! `fixtures/planted`; the images that are analysed are made again from the seed. Those of `photos` and `finetuned`
//! networks need `ATLASCOPE_DATA`; of the latter only the new last block is kept, and `images` writes all of such a
//! network as `DIR/net.onnx`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program for people at a terminal"
)]
#![allow(missing_docs, unreachable_pub, reason = "a program, not a library")]

mod confirm;
mod find;
mod images;
mod nets;
mod rank;
mod score;
mod spec;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let args: Vec<&str> = args.into_iter().filter(|arg| *arg != "--bench").collect();
    let (flags, words) = spec::flags(&args);
    match words.as_slice() {
        ["train", names @ ..] if !names.is_empty() => nets::train_all(names, &flags),
        ["images", name, folder] => images::write(name, folder, &flags),
        ["find", names @ ..] if !names.is_empty() => find::write(names, &flags),
        ["confirm", names @ ..] if !names.is_empty() => confirm::table(names, &flags),
        ["score", lists @ ..] => score::table(lists, &flags),
        _ => println!(
            "skipped: say train NET…, images NET DIR, find NET… or score (see the head of tests/benches/planted/main.rs)"
        ),
    }
}
