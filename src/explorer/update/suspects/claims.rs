//! What becomes of the candidate under the bar: tests, their news, judgements, notes, the report.

use super::{arrange, recolour};
use crate::explorer::action::{Action, Effect};
use crate::explorer::state::State;
use crate::explorer::suspects::{Record, Row, Running, id_of, of_picture, provisional};
use crate::explorer::worker::{Examined, Finding, Task, Work};
use crate::suspects::claim::{Claim, Judgement};
use std::path::PathBuf;

/// The record of the row under the bar, made where there is none.
fn record(state: &mut State) -> Option<usize> {
    let row = state.suspects.row()?;
    if let Row::Picture(at) = row {
        return Some(at);
    }
    let (candidate, atlas) = (state.suspects.candidate()?.clone(), state.atlas.clone()?);
    let id = Some(id_of(&candidate));
    let make = || Record::of(id, provisional(&atlas, &candidate));
    Some(state.suspects.record_for(id, make))
}

pub(super) fn judge(state: &mut State, judgement: Judgement) {
    let Some(at) = record(state) else { return };
    let record = &mut state.suspects.records[at];
    record.judged = true;
    record.claim.judgement = judgement;
    arrange(state);
}

pub(in crate::explorer::update) fn write_opinion(state: &mut State, text: &str) {
    if let Some(at) = record(state) {
        text.clone_into(&mut state.suspects.records[at].claim.note);
    }
}

/// Tests what is under the bar.
pub(super) fn test(state: &mut State) -> Vec<Effect> {
    let Some(row) = state.suspects.row() else {
        let why = if state.suspects.suspects().is_none() {
            "still looking for candidates"
        } else {
            "there is no candidate to test"
        };
        state.notice = Some(why.to_owned());
        return Vec::new();
    };
    if state.suspects.is_running(row) {
        let key = state.keymap.key(Action::SuspectBack);
        state.notice = Some(format!("its test runs already; {key} stops it"));
        return Vec::new();
    }
    let what = match state.suspects.candidate() {
        Some(candidate) => Examined::Candidate(Box::new(candidate.clone())),
        None => match examined_again(state) {
            Some(what) => what,
            None => return Vec::new(),
        },
    };
    match record(state) {
        Some(at) => begin(state, at, what),
        None => Vec::new(),
    }
}

/// The picture of the row under the bar once more.
fn examined_again(state: &State) -> Option<Examined> {
    let subject = &state.suspects.record()?.claim.subject;
    let classes = &state.atlas.as_ref()?.classes;
    let class = classes.iter().position(|class| class.id == subject.class)?;
    Some(Examined::Picture {
        path: PathBuf::from(subject.picture.as_ref()?),
        class: class as u16,
    })
}

/// Tests a picture as a patch for the class of the candidate under the bar.
pub(in crate::explorer::update) fn test_picture(state: &mut State, path: &str) -> Vec<Effect> {
    let of_candidate = state.suspects.candidate().map(|candidate| candidate.class);
    let again = || match examined_again(state)? {
        Examined::Picture { class, .. } => Some(class),
        Examined::Candidate(_) => None,
    };
    let class = of_candidate.or_else(again);
    let (Some(class), Some(atlas)) = (class, state.atlas.clone()) else {
        state.notice = Some("choose a candidate first: its class is watched".to_owned());
        return Vec::new();
    };
    let claim = of_picture(&atlas, path, class);
    let same = |record: &Record| {
        let (known, asked) = (&record.claim.subject, &claim.subject);
        known.picture == asked.picture && known.class == asked.class
    };
    let at = state.suspects.records.iter().position(same);
    let at = at.unwrap_or_else(|| state.suspects.record_for(None, || Record::of(None, claim)));
    arrange(state);
    let row = Row::Picture(at);
    if let Some(row) = state.suspects.rows.iter().position(|&r| r == row) {
        state.suspects.selected = row;
    }
    let path = PathBuf::from(path);
    begin(state, at, Examined::Picture { path, class })
}

fn begin(state: &mut State, record: usize, what: Examined) -> Vec<Effect> {
    let board = &mut state.suspects;
    board.explains = false;
    board.n_tests += 1;
    board.records[record].failure = None;
    board.running = Some(Running {
        number: board.n_tests,
        record,
        fresh: true,
        stopping: false,
    });
    let task = Task::Test(board.n_tests, what);
    vec![Effect::Work(Work::Bench(task))]
}

/// Claims that say something, in the order of asking.
pub(in crate::explorer) fn claims(state: &State) -> Vec<Claim> {
    let records = state.suspects.records.iter();
    let worth = records.filter(|record| record.says_something());
    worth.map(|record| record.claim.clone()).collect()
}

pub(super) fn report(state: &mut State) -> Vec<Effect> {
    let claims = claims(state);
    let Some(atlas) = state.atlas.clone() else {
        return Vec::new();
    };
    if claims.is_empty() {
        let key = state.keymap.key(Action::SuspectTest);
        state.notice = Some(format!("nothing was tested or judged yet: {key} tests"));
        return Vec::new();
    }
    state.notice = Some("writing the report".to_owned());
    vec![Effect::Work(Work::Bench(Task::Report(atlas, claims)))]
}

/// The record of a running test; what an older test said goes with the first news.
fn record_of_test(state: &mut State, number: u64) -> Option<&mut Record> {
    let board = &mut state.suspects;
    let running = board.running.as_mut().filter(|r| r.number == number)?;
    let record = board.records.get_mut(running.record)?;
    if running.fresh {
        running.fresh = false;
        record.claim.estimates.clear();
        record.claim.sweep.clear();
        record.shots.clear();
    }
    Some(record)
}

pub(super) fn found(state: &mut State, number: u64, finding: Finding) {
    let Some(record) = record_of_test(state, number) else {
        return;
    };
    match finding {
        Finding::Estimate(estimate) => record.take(estimate),
        Finding::Claim(claim) => {
            let verdict = claim.verdict.clone();
            record.finish(*claim);
            state.notice = Some(verdict);
        }
        Finding::Shots(shots) => record.shots = shots,
        Finding::Point(point) => record.claim.sweep.push(point),
    }
    recolour(state);
}

pub(super) fn finish(state: &mut State, number: u64, tested: Result<Box<Claim>, String>) {
    let stopped = |running: &Running| running.stopping;
    let stopped = state.suspects.running.as_ref().is_some_and(stopped);
    match tested {
        Ok(claim) => {
            let Some(record) = record_of_test(state, number) else {
                return;
            };
            let before = record.claim.verdict.clone();
            record.finish(*claim);
            let verdict = record.claim.verdict.clone();
            // Whoever was told and did something else since reads what came of that: a report's name.
            let newer = |notice: &String| !before.is_empty() && *notice != before;
            if stopped {
                state.notice = Some(format!("stopped; so far {verdict}"));
            } else if !state.notice.as_ref().is_some_and(newer) {
                state.notice = Some(verdict);
            }
        }
        Err(why) => {
            let board = &mut state.suspects;
            let Some(running) = board.running.as_ref().filter(|r| r.number == number) else {
                return;
            };
            if let Some(record) = board.records.get_mut(running.record) {
                record.failure = Some(why.clone());
            }
            state.notice = Some(why);
        }
    }
    state.suspects.running = None;
    arrange(state);
}
