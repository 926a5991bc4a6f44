use super::*;
use crate::causal::Album;
use crate::suspects::claim::{
    Before, Controls, Estimate, Method, Provenance, Shown, Subject, SweepPoint,
};

fn claim() -> Claim {
    let estimate = Estimate {
        method: Method::Paste,
        delta: 2.08,
        ci: [1.61, 2.55],
        controls: Controls {
            delta: -0.12,
            ci: [-0.43, 0.21],
            noise: Some(-0.3),
            over_noise: Some([1.9, 2.9]),
            class: Some(0.31),
            ..Controls::default()
        },
        contrast: [1.7, 2.7],
        n: 32,
        flips: 9,
        best_flips: None,
        scale: Some(4.2),
        done: true,
    };
    let point = |ratio: f32| SweepPoint {
        ratio,
        delta: 3.0 * ratio,
        ci: [2.0 * ratio, 4.0 * ratio],
        controls: -0.1,
        probability: ratio,
        flips: 1,
        control_flips: 0,
        n: 32,
    };
    Claim {
        subject: Subject {
            kind: None,
            cell: Some("mixed4b,20,1,2".to_owned()),
            picture: None,
            class: "barn".to_owned(),
            class_name: "barn <&> | shed".to_owned(),
            other: None,
            component: None,
            score: None,
            q: None,
            exemplars: vec![Shown {
                image: "scene:1:3".to_owned(),
                row: 1,
                col: 2,
                window: [4, 6, 20],
            }],
            with: Vec::new(),
            without: Vec::new(),
        },
        verdict: estimate.text(),
        estimates: vec![estimate],
        left_out: vec!["direction removed: 2 images".to_owned()],
        sweep: vec![point(0.0), point(0.4), point(0.8)],
        pairs: vec![Before {
            image: "scene:1:5".to_owned(),
            piece: 0,
            at: [4, 6],
            predicted: ["wolf".to_owned(), "barn".to_owned()],
            probability: [0.1, 0.9],
        }],
        judgement: Judgement::Shortcut,
        note: "letters <b>".to_owned(),
        provenance: Provenance {
            network: "demo".to_owned(),
            weights_sha256: "ab".repeat(32),
            size: 64,
            resize: "crop:64".to_owned(),
            seed: 7,
            backgrounds: 32,
            ratio: None,
            at: "own".to_owned(),
            command: "atlascope patch demo.atlas --cell mixed4b,20,1,2 --class barn --seed 7"
                .to_owned(),
        },
    }
}

fn album() -> Album {
    Album::of_scenes(1, 8)
}

/// Everything that a reader needs stands in all three forms.
#[test]
fn every_claim_has_its_numbers_and_its_command() {
    let report = Report::new(None, vec![claim()]);
    let pictures = [pictures(&album(), &claim())];
    for text in [report.markdown(), report.html(&pictures), report.json()] {
        let found = |what: &str| assert!(text.contains(what), "{what} is not in {text}");
        found("32 backgrounds");
        found(&"ab".repeat(32));
        found("atlascope patch demo.atlas --cell mixed4b,20,1,2 --class barn --seed 7");
        found("shortcut");
        found("9/32");
        found("direction removed: 2 images");
    }
    assert!(report.markdown().contains("| crops pasted | +2.08 | 1.61 … 2.55 | -0.12 | -0.43 … 0.21 | 1.70 … 2.70 | +0.31 | -0.30 | 32 | 9/32 |"));
}

#[test]
fn what_a_person_wrote_is_text_in_a_page() {
    let report = Report::new(None, vec![claim()]);
    let page = report.html(&[]);
    assert!(page.contains("letters &lt;b&gt;") && !page.contains("letters <b>"));
    assert!(page.contains("barn &lt;&amp;&gt; | shed"));
    // Nothing is loaded from elsewhere, and no photograph is in it.
    assert!(!page.contains("http") && !page.contains("<img"));
}

#[test]
fn pictures_are_drawn_again_and_the_bytes_are_the_same() {
    let drawn = pictures(&album(), &claim());
    assert_eq!(drawn, pictures(&album(), &claim()));
    assert_eq!(drawn.missing, None);
    let read = |png: &[u8]| image::load_from_memory(png).unwrap().to_rgb8();
    let piece = read(&drawn.pieces[0].0);
    let [before, after] = [read(&drawn.pairs[0][0]), read(&drawn.pairs[0][1])];
    assert_eq!(piece.dimensions(), (20, 20));
    assert_eq!(
        before,
        album().read(5).unwrap(),
        "a scene has the input's size"
    );
    for (x, y, pixel) in after.enumerate_pixels() {
        let inside = (4..24).contains(&x) && (6..26).contains(&y);
        let expected = if inside {
            piece.get_pixel(x - 4, y - 6)
        } else {
            before.get_pixel(x, y)
        };
        assert_eq!(pixel, expected, "{x}, {y}");
    }
    let report = Report::new(None, vec![claim()]);
    let page = report.html(std::slice::from_ref(&drawn));
    assert_eq!(page.matches("<img").count(), 3);
    assert_eq!(page, report.html(&[drawn]));
}

#[test]
fn missing_photographs_are_said() {
    let mut moved = claim();
    moved.pairs[0].image = "gone.jpg".to_owned();
    let drawn = pictures(&album(), &moved);
    assert!(drawn.missing.unwrap().contains("gone.jpg"));
    assert!(drawn.pairs.is_empty() && drawn.pieces.len() == 1);
}

#[test]
fn a_report_is_read_again() {
    let report = Report::new(None, vec![claim()]);
    assert_eq!(
        serde_json::from_str::<Report>(&report.json()).unwrap(),
        report
    );
}
