//! How long a person waits for a test: the list, the first estimate that streams in, the verdict.

use atlascope::atlas::{Atlas, class_called};
use atlascope::causal::tester::{NetworkTester, Options};
use atlascope::network::{Network, inception_v1};
use atlascope::store;
use atlascope::suspects::claim::{Claim, Tester as _};
use atlascope::suspects::{self, Candidate, Kind};
use candle_core::Device;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

/// What to time with.
pub struct Asked {
    pub atlas: PathBuf,
    pub weights: PathBuf,
    pub images: Vec<PathBuf>,
    pub class: String,
    pub rounds: usize,
}

/// What the worker of the explorer sends.
enum News {
    Estimate,
    Claim(Result<Box<Claim>, String>),
}

fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

/// Some rounds of everything, each with a network that nothing has touched.
pub fn table(asked: &Asked) {
    println!("open   list   | first estimate, verdict (backgrounds) of");
    println!(
        "              | first cell, cold   | second cell        | first crowd        | first cell, all 32"
    );
    for _ in 0..asked.rounds {
        let start = Instant::now();
        let atlas = Arc::new(store::read(&asked.atlas).unwrap());
        let opened = since(start);
        let start = Instant::now();
        let found = suspects::find(&atlas).candidates;
        let listed = since(start);
        let class = class_called(&atlas.classes, &asked.class).unwrap();
        let of_kind = |kind: Kind, at: usize| -> &Candidate {
            let mut own = found.iter().filter(|c| c.class == class && c.kind == kind);
            own.nth(at).expect("a candidate of the kind")
        };
        let first = of_kind(Kind::Cell, 0);
        // The explorer opens the network as soon as it has the list; here the first test waits for it.
        let mut warm = tester(asked, &atlas, true);
        let mut columns = vec![wait(&mut warm, first)];
        columns.push(wait(&mut warm, of_kind(Kind::Cell, 1)));
        columns.push(wait(&mut warm, of_kind(Kind::Colour, 0)));
        columns.push(wait(&mut tester(asked, &atlas, false), first));
        println!("{opened:.2} s {listed:.2} s | {}", columns.join(" | "));
    }
}

fn tester(asked: &Asked, atlas: &Arc<Atlas>, early: bool) -> NetworkTester {
    let weights = asked.weights.clone();
    let open = move |atlas: &Atlas| network(&weights, atlas);
    let options = Options {
        early,
        ..Options::default()
    };
    let mut tester = NetworkTester::new(Box::new(open), asked.images.clone(), options);
    tester.atlas(Arc::clone(atlas));
    tester
}

fn network(weights: &Path, atlas: &Atlas) -> Result<Network, String> {
    let bytes = std::fs::read(weights).map_err(|error| error.to_string())?;
    let network = inception_v1::load(&bytes, &Device::Cpu).map_err(|error| error.to_string())?;
    assert_eq!(network.weights_sha256, atlas.recipe.weights_sha256);
    Ok(network)
}

/// Tests on a thread of its own and listens, as the explorer does.
fn wait(tester: &mut NetworkTester, candidate: &Candidate) -> String {
    let (tx, rx) = channel();
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let claim = tester.test(candidate, &mut |_| {
                tx.send(News::Estimate).unwrap();
                ControlFlow::Continue(())
            });
            tx.send(News::Claim(claim.map(Box::new))).unwrap();
        });
        let mut first = None;
        for news in rx {
            match news {
                News::Estimate => {
                    first.get_or_insert_with(|| since(start));
                }
                News::Claim(claim) => {
                    let claim = claim.unwrap();
                    let n = claim.estimates[0].n;
                    return format!("{:.2} s, {:.2} s ({n})", first.unwrap(), since(start));
                }
            }
        }
        unreachable!("a worker that says nothing")
    })
}
