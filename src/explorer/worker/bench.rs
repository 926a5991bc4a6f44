//! Work for the suspects pane: lists of candidates, causal tests, reports. Each on a thread of its own, so that the
//! explorer goes on meanwhile.

use super::{Answer, Message, spawn};
use crate::atlas::{Atlas, ClassId};
use crate::explorer::suspects::Which;
use crate::graphics::Picture;
use crate::suspects::claim::{Claim, Estimate, SweepPoint};
use crate::suspects::{self, Candidate, Suspects};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

/// What is tested.
#[derive(Debug, Clone, PartialEq)]
pub enum Examined {
    /// A candidate.
    Candidate(Box<Candidate>),
    /// A picture of the person's own, as a patch for a class.
    Picture {
        /// The file.
        path: PathBuf,
        /// The class whose logit is watched.
        class: ClassId,
    },
}

/// One image before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Shot {
    /// As it is.
    pub before: Picture,
    /// With what was pasted.
    pub after: Picture,
    /// Probability of the class before and after, 0..=1.
    pub probability: [f32; 2],
    /// Prediction before and after.
    pub predicted: [ClassId; 2],
}

/// A part of a test's result.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// A new state of one estimate.
    Estimate(Estimate),
    /// The verdict is there; the sweep may go on behind it.
    Claim(Box<Claim>),
    /// Pictures before and after.
    Shots(Vec<Shot>),
    /// The effect at one more size.
    Point(SweepPoint),
}

/// Tells what was found; breaks when the person wants no more.
pub type Tell<'a> = &'a mut dyn FnMut(Finding) -> ControlFlow<()>;

/// Runs causal tests. Lives on a thread of its own.
pub trait Examiner: Send {
    /// Takes an atlas, the first or a newer one.
    fn atlas(&mut self, atlas: Arc<Atlas>);

    /// The photographs are in another folder now.
    fn moved(&mut self, folder: &Path);

    /// A test may come soon: what it needs is made ready. What fails here is told by the test.
    fn ready(&mut self) {}

    /// Tests something. What came before a break is in the claim.
    ///
    /// # Errors
    /// A sentence for people: weights that are missing, photographs that moved.
    fn examine(&mut self, what: &Examined, tell: Tell<'_>) -> Result<Claim, String>;
}

/// Writes reports.
pub trait Reporter: Send {
    /// Writes a report of claims and says where.
    ///
    /// # Errors
    /// A sentence for people.
    fn report(&mut self, atlas: &Atlas, claims: &[Claim]) -> Result<String, String>;
}

/// What can be handed to the bench.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// List candidates of an atlas, which has this count.
    Find(Which, u64, Arc<Atlas>),
    /// Test something; the test has this number. One that runs is broken off.
    Test(u64, Examined),
    /// Break the running test off.
    Stop,
    /// Write a report.
    Report(Arc<Atlas>, Vec<Claim>),
}

/// What comes back.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A list, with the count of its atlas.
    Found(Which, u64, Arc<Suspects>),
    /// A part of a test's result, with its number.
    Finding(u64, Finding),
    /// The test with this number is over.
    Tested(u64, Result<Box<Claim>, String>),
    /// A report was written, or not.
    Reported(Result<String, String>),
}

const NO_NETWORKS: &str =
    "this program was built without networks, so it lists candidates but cannot test them";
const NO_REPORTER: &str = "this program was built without networks, so it cannot write reports";

enum Order {
    Atlas(Arc<Atlas>),
    Folder(PathBuf),
    Ready,
    Test(u64, Examined),
}

/// The desk's side of it.
#[derive(Debug)]
pub(super) struct Bench {
    tests: Option<Sender<Order>>,
    reports: Option<Sender<(Arc<Atlas>, Vec<Claim>)>>,
    /// The number of the test that is wanted; 0 = none.
    wanted: Arc<AtomicU64>,
    answers: Sender<Message>,
}

fn answer(tx: &Sender<Message>, result: Outcome) -> bool {
    tx.send(Message::Answer(Answer::Bench(result))).is_ok()
}

impl Bench {
    pub(super) fn open(
        examiner: Option<Box<dyn Examiner>>,
        reporter: Option<Box<dyn Reporter>>,
        answers: Sender<Message>,
    ) -> std::io::Result<Bench> {
        let wanted = Arc::new(AtomicU64::new(0));
        let tests = match examiner {
            Some(examiner) => {
                let (tx, orders) = channel();
                let (answers, wanted) = (answers.clone(), Arc::clone(&wanted));
                spawn("tests", move || {
                    serve_tests(examiner, &orders, &wanted, &answers);
                })?;
                Some(tx)
            }
            None => None,
        };
        let reports = match reporter {
            Some(mut reporter) => {
                let (tx, orders) = channel::<(Arc<Atlas>, Vec<Claim>)>();
                let answers = answers.clone();
                spawn("reports", move || {
                    for (atlas, claims) in orders {
                        let written = reporter.report(&atlas, &claims);
                        if !answer(&answers, Outcome::Reported(written)) {
                            return;
                        }
                    }
                })?;
                Some(tx)
            }
            None => None,
        };
        Ok(Bench {
            tests,
            reports,
            wanted,
            answers,
        })
    }

    pub(super) fn atlas(&self, atlas: &Arc<Atlas>) {
        self.order(Order::Atlas(Arc::clone(atlas)));
    }

    pub(super) fn folder(&self, folder: &Path) {
        self.order(Order::Folder(folder.to_owned()));
    }

    /// False when nobody takes orders: no examiner, or its thread panicked.
    fn order(&self, order: Order) -> bool {
        let tests = self.tests.as_ref();
        tests.is_some_and(|tests| tests.send(order).is_ok())
    }

    pub(super) fn take(&self, task: Task) {
        match task {
            Task::Find(which, epoch, atlas) => {
                let (answers, tests) = (self.answers.clone(), self.tests.clone());
                let begun = spawn("suspects", move || {
                    let found = match which {
                        Which::All => suspects::find(&atlas),
                        Which::MultiUse => suspects::multi_use(&atlas),
                        Which::Contrast(a, b) => suspects::contrast(&atlas, a, b),
                    };
                    answer(&answers, Outcome::Found(which, epoch, Arc::new(found)));
                    // Whoever looks at the list tests something next, and loading the network takes a while.
                    if let Some(tests) = tests {
                        let _ = tests.send(Order::Ready);
                    }
                });
                if let Err(error) = begun {
                    tracing::warn!("no thread for the list of suspects: {error}");
                }
            }
            Task::Test(number, what) => {
                self.wanted.store(number, Ordering::Relaxed);
                if !self.order(Order::Test(number, what)) {
                    let why = Err(NO_NETWORKS.to_owned());
                    answer(&self.answers, Outcome::Tested(number, why));
                }
            }
            Task::Stop => self.wanted.store(0, Ordering::Relaxed),
            Task::Report(atlas, claims) => {
                let reports = self.reports.as_ref();
                if reports.is_none_or(|reports| reports.send((atlas, claims)).is_err()) {
                    let why = Err(NO_REPORTER.to_owned());
                    answer(&self.answers, Outcome::Reported(why));
                }
            }
        }
    }

    /// The explorer ends: no test is wanted any more.
    pub(super) fn close(&self) {
        self.wanted.store(0, Ordering::Relaxed);
    }
}

fn serve_tests(
    mut examiner: Box<dyn Examiner>,
    orders: &Receiver<Order>,
    wanted: &AtomicU64,
    tx: &Sender<Message>,
) {
    for order in orders {
        let (number, what) = match order {
            Order::Atlas(atlas) => {
                examiner.atlas(atlas);
                continue;
            }
            Order::Folder(folder) => {
                examiner.moved(&folder);
                continue;
            }
            Order::Ready => {
                examiner.ready();
                continue;
            }
            Order::Test(number, what) => (number, what),
        };
        if wanted.load(Ordering::Relaxed) != number {
            // Given up before it began.
            answer(
                tx,
                Outcome::Tested(number, Err("the test was stopped".to_owned())),
            );
            continue;
        }
        let mut tell = |finding: Finding| {
            let sent = answer(tx, Outcome::Finding(number, finding));
            if sent && wanted.load(Ordering::Relaxed) == number {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        let tested = examiner.examine(&what, &mut tell).map(Box::new);
        if !answer(tx, Outcome::Tested(number, tested)) {
            return;
        }
    }
}
